/* The relay: what each layer handed on and what came back, in numbers of a whole layer; and the journey, leg by leg, with the
 * instructions of the plan that made it. */
#include "forensics/forensics.h"

#include <math.h>
#include <string.h>

#include "plan/plan.h"

static double norm(const double *v, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += v[i] * v[i];
    return sqrt(sum);
}

bool nilu_relay_of(nilu_scene *s, int layer, nilu_start start, nilu_relay *out)
{
    nilu_layer_view l;
    if (!nilu_scene_layer(s, layer, start, &l))
        return false;
    *out = (nilu_relay){.name = l.name, .activation = l.activation, .in = l.in, .out = l.out, .x = norm(l.x, l.in), .z = norm(l.z, l.out),
                        .a = norm(l.a, l.out), .received = norm(l.received, l.out), .delta = norm(l.delta, l.out),
                        .passed = norm(l.passed, l.in)};
    for (int64_t j = 0; j < l.out; j++) {
        out->open += l.slope[j] != 0;
        out->slope += l.slope[j] / (double)l.out;
    }
    out->filters = l.filters;
    out->window = l.window;
    out->weight_gradient = l.gradient ? norm(l.gradient, l.taps * l.filters) : out->x * out->delta; /* the norm of an outer product */
    double squares = 0;
    for (int64_t f = 0; f < l.filters; f++) {
        double sum = 0;
        for (int64_t p = 0; p < l.places; p++)
            sum += l.delta[f * l.places + p];
        squares += sum * sum;
    }
    out->bias_gradient = l.bias ? sqrt(squares) : 0;
    return true;
}

/* ---- the journey */

static bool begins(const char *text, const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    return strncmp(text, a, n) == 0 && strncmp(text + n, b, m) == 0 && text[n + m] == '/';
}

/* The instruction that takes an error back through a weight. */
static int back_through(const nilu_plan *p, const char *weight)
{
    for (int i = 0; i < p->nstep; i++) {
        const nilu_node *n = p->step[i].node;
        for (int k = 0; k < n->nin && n->origin && !p->step[i].copy; k++)
            if (n->in[k]->node->op == &graph_op_param && strcmp(n->in[k]->node->name, weight) == 0 && strncmp(n->name, "opt/", 4) != 0)
                return i;
    }
    return -1;
}

/* The last instruction whose value belongs to `what`: "opt/", "fc1/weight" for an update, "delta/", "fc1" for an error. */
static int maker_of(const nilu_plan *p, const char *kind, const char *what)
{
    for (int i = p->nstep - 1; i >= 0; i--)
        if (begins(p->step[i].node->name, kind, what))
            return i;
    return -1;
}

static void add(const nilu_plan *p, nilu_leg *leg, int room, int *n, nilu_leg new)
{
    nilu_plan_instruction about;
    new.kernel = p && nilu_plan_instruction_at(p, new.instruction, &about) ? about.kernel : "";
    if (*n < room)
        leg[*n] = new;
    ++*n;
}

#define PATHS 64
nilu_status nilu_journey(nilu_scene *s, const nilu_lesson *lesson, nilu_start start, int room, nilu_leg *leg, int *n)
{
    const nilu_plan *p = lesson ? forensics_lesson_plan(lesson) : NULL;
    *n = 0;
    for (int i = nilu_scene_layers(s) - 1; i >= 0; i--) {
        const forensics_site *site = forensics_scene_site(s, i);
        forensics_path path[PATHS];
        nilu_relay r;
        bool answers;
        const char *via, *weight = nilu_tensor_name(site->w);
        int paths = forensics_scene_readers(s, i, path, PATHS, &answers, &via), back = -1;
        if (paths < 0)
            return NILU_E_NO_MEMORY;
        nilu_relay_of(s, i, start, &r);
        if (answers || via)
            add(p, leg, room, n, (nilu_leg){NILU_LEG_START, i, -1, via, r.received, p ? maker_of(p, "delta/", r.name) : -1, ""});
        for (int k = 0; k < paths && k < PATHS; k++) {
            back = p ? back_through(p, nilu_tensor_name(forensics_scene_site(s, path[k].site)->w)) : -1;
            add(p, leg, room, n, (nilu_leg){NILU_LEG_BACK, i, path[k].site, NULL, r.received, back, ""});
        }
        if (site->a != site->z) {
            int own = p ? maker_of(p, "delta/", r.name) : -1; /* in an instruction of its own, or in that of the way back */
            add(p, leg, room, n, (nilu_leg){NILU_LEG_SLOPE, i, -1, NULL, r.delta, own >= 0 ? own : back, ""});
        }
        if (start == NILU_FROM_LOSS) {
            int update = p ? maker_of(p, "opt/", weight) : -1;
            add(p, leg, room, n, (nilu_leg){NILU_LEG_UPDATE, i, -1, NULL, r.weight_gradient, update, ""});
        }
    }
    return NILU_OK;
}
