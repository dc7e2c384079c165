/* A derivative against differences: the slope of f along a line, found from values of f alone, next to the slope that the
 * gradient claims. Whether there is a kink is likewise decided by values alone, so a wrong gradient cannot pass as one. */
#include "run/run.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- f on a line */

typedef struct line {
    run_part *part;  /* NULL: all parts, each along its v */
    int64_t element; /* of part */
} line;

static void put_back(run_probe *p)
{
    for (int i = 0; p->kept && i < nilu_store_count(p->kept); i++) {
        const nilu_value *v = nilu_store_at(p->kept, i);
        memcpy(v->data, p->copy[i], v->bytes);
    }
}

static void move(run_probe *p, const line *l, double t)
{
    if (l->part) {
        l->part->x[l->element] = l->part->at[l->element] + t;
        return;
    }
    for (run_part *part = p->part; part < p->part + p->n; part++)
        for (int64_t i = 0; i < part->n; i++)
            part->x[i] = part->at[i] + t * part->v[i];
}

static double dot(const run_probe *p, double *size)
{
    nilu_dtype dtype = nilu_fetched_dtype(p->value, 0);
    const void *y = nilu_fetched(p->value, 0);
    int64_t n = base_count(nilu_fetched_shape(p->value, 0));
    double sum = 0;
    *size = 0;
    for (int64_t i = 0; i < n; i++) {
        double term = base_load(dtype, y, i) * (p->u ? p->u[i] : 1);
        sum += term;
        *size += fabs(term);
    }
    return sum;
}

static nilu_status f_at(run_probe *p, const line *l, double t, double *f, double *size)
{
    put_back(p);
    move(p, l, t);
    nilu_status status = nilu_step(p->value);
    put_back(p);
    move(p, l, 0);
    NILU_TRY(status);
    *f = dot(p, size);
    return NILU_OK;
}

/* ---- verdicts */

bool run_judge(run_probe *p, const char *what, int64_t element, double got, double expected, double scale)
{
    nilu_gradcheck_report *r = p->report;
    double error = got == expected ? 0 : fabs(got - expected) / scale;
    char where[64] = "";
    r->checked++;
    if (!(error <= r->worst))
        r->worst = error == error ? error : INFINITY;
    if (error <= p->options->tolerance)
        return true;
    if (r->failed++)
        return false;
    if (element >= 0)
        snprintf(where, sizeof where, base_text(N_(" at element %lld")), (long long)element);
    snprintf(r->text, sizeof r->text, base_text(N_("%s %s%s: expected %.10g, got %.10g (error %.2g, seed %llu)%s%s")),
             p->subject, base_text(what), where, expected, got, error, (unsigned long long)p->options->seed,
             p->alone[0] ? base_text(N_("; alone: ")) : "", p->alone);
    return false;
}

/* Of two lengths of step h and h/2: the slope between the outer points, extrapolated, and the slopes on either side.
 * `noise`: how far rounding may have moved the slope. */
typedef struct slopes {
    double slope, right, left, right_half, left_half, jump, noise;
} slopes;

static nilu_status measure(run_probe *p, const line *l, double middle, double h, slopes *s)
{
    static const double at[] = {1, -1, 0.5, -0.5};
    double f[4], size, most = 0;
    for (int i = 0; i < 4; i++) {
        NILU_TRY(f_at(p, l, at[i] * h, &f[i], &size));
        most = size > most ? size : most;
    }
    *s = (slopes){(8 * (f[2] - f[3]) - (f[0] - f[1])) / (6 * h),
                  (f[0] - middle) / h,
                  (middle - f[1]) / h,
                  (f[2] - middle) / (h / 2),
                  (middle - f[3]) / (h / 2),
                  f[0] - f[1],
                  0};
    s->noise = 16 * DBL_EPSILON * (p->rounding + most + p->reach * fmax(fabs(s->right), fabs(s->left))) / h;
    return NILU_OK;
}

/* Do the sides differ, at both lengths alike, and does what is claimed lie between them? A smooth function's sides differ
 * half as much at half the length. */
static bool is_kink(const slopes *s, double claimed, double scale)
{
    double apart = s->right - s->left, half = s->right_half - s->left_half;
    double low = fmin(s->right_half, s->left_half), high = fmax(s->right_half, s->left_half),
           slack = 1e-3 * fabs(apart);
    return fabs(apart) > 1e-4 * scale && half / apart > 0.9 && half / apart < 1.1 && claimed >= low - slack &&
           claimed <= high + slack;
}

#define FIRST_STEP 0x1p-10 /* with extrapolation: truncation and rounding are both near 1e-12 */
#define SHORTER 0x1p-5
#define LENGTHS 3

/* Compares the slope along `l` with `claimed`. `largest` is what small numbers are measured by. */
static nilu_status check_line(run_probe *p, const char *what, const line *l, double middle, double claimed,
                              double largest)
{
    double h = FIRST_STEP, best = INFINITY, found = NAN, found_scale = 1, previous = 0;
    if (l->part && fabs(l->part->at[l->element]) > 128)
        h *= fabs(l->part->at[l->element]) / 128;
    for (int i = 0; i < LENGTHS; i++, h *= SHORTER) {
        slopes s;
        NILU_TRY(measure(p, l, middle, h, &s));
        double scale = fmax(fmax(fabs(claimed), fabs(s.slope)), 1e-3 * largest);
        scale = fmax(fmax(scale, s.noise / p->options->tolerance), DBL_MIN);
        double error = fabs(s.slope - claimed) / scale;
        if (!(error >= best)) {
            best = error;
            found = s.slope;
            found_scale = scale;
        }
        if (best <= p->options->tolerance)
            break;
        bool last = i == LENGTHS - 1;
        if (last && (is_kink(&s, claimed, scale) || (s.jump != 0 && fabs(s.jump / previous - 1) < 1e-3))) {
            p->report->checked++;
            p->report->kinks++;
            return NILU_OK;
        }
        previous = s.jump;
    }
    run_judge(p, what, l->part ? l->element : -1, claimed, found, found_scale);
    return NILU_OK;
}

nilu_status run_probe_parts(run_probe *p)
{
    line all = {0};
    double middle, largest = 0, claimed = 0, norm = 0;
    int64_t elements = 0;
    NILU_TRY(f_at(p, &all, 0, &middle, &p->rounding));
    p->reach = 0;
    for (run_part *part = p->part; part < p->part + p->n; part++)
        for (int64_t i = 0; i < part->n; i++) {
            double term = fabs(part->g[i] * part->at[i]);
            largest = fmax(largest, fabs(part->g[i]));
            claimed += part->g[i] * part->v[i];
            norm += part->g[i] * part->g[i];
            p->rounding += term == term ? term : 0; /* what a relative change of 2^-53 in x would do */
            p->reach = fmax(p->reach, fabs(part->at[i]));
            elements++;
        }
    if (!elements)
        return NILU_OK;
    NILU_TRY(check_line(p, N_("everything along a direction"), &all, middle, claimed, 1e3 * sqrt(norm)));
    for (int k = 0; k < p->n; k++) {
        run_part *part = &p->part[k];
        int64_t samples = p->options->samples;
        if (samples <= 0 || samples > part->n)
            samples = part->n;
        for (int64_t i = 0; i < samples; i++) {
            base_key key = {p->options->seed, base_hash_text(part->name)};
            line one = {part, samples == part->n ? i : (int64_t)base_permute(key, (uint64_t)part->n, (uint64_t)i)};
            NILU_TRY(check_line(p, part->name, &one, middle, part->g[one.element], largest));
        }
    }
    return NILU_OK;
}
