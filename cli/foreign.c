/* Models from elsewhere, with arrays for their inputs. All that is known before the first step is known when the graph is
 * built, so that models may ask their inputs for shapes. */
#include "cli.h"

#include <string.h>

const char *cli_foreign_dtype_name(int i)
{
    static const char *const names[] = {"f32", "f64"};
    return i >= 0 && i < (int)COUNT(names) ? names[i] : NULL;
}

nilu_dtype cli_foreign_dtype(const char *name)
{
    return strcmp(name, "f64") == 0 ? NILU_F64 : NILU_F32;
}

static int input_named(const cli_foreign *f, const char *name, size_t n)
{
    for (int i = 0; i < f->nin; i++) {
        const char *have = nilu_onnx_input(f->model, i)->name;
        if (strlen(have) == n && strncmp(have, name, n) == 0)
            return i;
    }
    return -1;
}

static nilu_status no_such_input(const cli_foreign *f, const char *pair, size_t n)
{
    const char *names[64];
    char wrong[128];
    snprintf(wrong, sizeof wrong, "%.*s", n < 100 ? (int)n : 100, pair);
    for (int i = 0; i < f->nin; i++)
        names[i] = nilu_onnx_input(f->model, i)->name;
    const char *near = base_nearest(wrong, names, (size_t)f->nin);
    if (near)
        return cli_fail(f->c, NILU_E_USAGE, _(N_("%s: the model has no input \"%s\"; did you mean \"%s\"?")),
                        f->c->command->name, wrong, near);
    return cli_fail(f->c, NILU_E_USAGE, _(N_("%s: the model has no input \"%s\"; its first is \"%s\"")),
                    f->c->command->name, wrong, f->nin ? names[0] : "");
}

/* Free dimensions (-1) take whatever comes. */
static nilu_status fits(const cli_foreign *f, int i, const char *file)
{
    const nilu_onnx_port *p = nilu_onnx_input(f->model, i);
    const cli_array *a = &f->in[i];
    char want[BASE_SHAPE_TEXT], have[BASE_SHAPE_TEXT];
    bool good = !p->ranked || p->shape.rank == a->shape.rank;
    for (int d = 0; good && p->ranked && d < p->shape.rank; d++)
        good = p->shape.dim[d] < 0 || p->shape.dim[d] == a->shape.dim[d];
    return good ? NILU_OK
                : cli_fail(f->c, NILU_E_DATA, _(N_("%s: is %s, but the model's input \"%s\" is %s (-1: any)")), file,
                           base_shape_text(a->shape, have), p->name, base_shape_text(p->shape, want));
}

static nilu_status read_input(cli_foreign *f, const char *pair)
{
    const char *equals = strchr(pair, '=');
    int i = input_named(f, pair, (size_t)(equals - pair));
    if (i < 0)
        return no_such_input(f, pair, (size_t)(equals - pair));
    cli_array *a = &f->in[i];
    if (a->data)
        return cli_fail(f->c, NILU_E_USAGE, _(N_("%s: input \"%s\" is given twice")), f->c->command->name,
                        nilu_onnx_input(f->model, i)->name);
    nilu_dtype want = nilu_onnx_input(f->model, i)->dtype;
    if (want == NILU_F32 && f->wide == NILU_F64)
        want = NILU_F64;
    NILU_TRY(nilu_npy_read(f->c->nl, equals + 1, want, &a->dtype, &a->shape, &a->data));
    return fits(f, i, equals + 1);
}

static nilu_status build(cli_foreign *f, const char *path)
{
    for (int i = 0; i < f->nin; i++) {
        const nilu_onnx_port *p = nilu_onnx_input(f->model, i);
        if (!f->in[i].data)
            return cli_fail(f->c, NILU_E_USAGE,
                            _(N_("%s: input \"%s\" of %s is missing; give it with --input %s=FILE.npy")),
                            f->c->command->name, p->name, path, p->name);
        /* the graph is as the file says; in f64 the plan widens it */
        f->given[i] = (nilu_onnx_given){p->name, nilu_input(f->g, p->name, p->dtype, f->in[i].shape), NULL};
        if (f->in[i].dtype == p->dtype)
            f->given[i].data = f->in[i].data;
    }
    NILU_TRY(nilu_onnx_build(f->model, f->g, f->nin, f->given, false, f->y));
    return nilu_onnx_weights(f->model, f->g, f->wide, f->store);
}

nilu_status cli_foreign_open(cli *c, const char *path, const cli_pairs *inputs, nilu_dtype wide, cli_foreign *f)
{
    *f = (cli_foreign){.c = c, .wide = wide};
    NILU_TRY(nilu_onnx_open(c->nl, path, &f->model));
    f->nin = nilu_onnx_inputs(f->model);
    f->nout = nilu_onnx_outputs(f->model);
    if (f->nin > (int)COUNT(f->in) || f->nout > (int)COUNT(f->y))
        return cli_fail(c, NILU_E_UNSUPPORTED, _(N_("%s: has more than %d inputs or outputs")), path,
                        (int)COUNT(f->in));
    f->g = nilu_graph_new(c->nl);
    f->store = nilu_store_new(c->nl);
    if (!f->g || !f->store)
        return NILU_E_NO_MEMORY;
    for (int i = 0; i < inputs->n; i++)
        NILU_TRY(read_input(f, inputs->at[i]));
    return build(f, path);
}

nilu_status cli_foreign_step(cli_foreign *f, int n, nilu_tensor *const *fetch)
{
    nilu_compile_options o = NILU_COMPILE_DEFAULT;
    o.dtype = f->wide;
    NILU_TRY(nilu_compile(f->g, f->store, n, fetch, &o, &f->plan));
    for (int i = 0; i < f->nin; i++) {
        size_t bytes = (size_t)base_count(f->in[i].shape) * nilu_dtype_size(f->in[i].dtype);
        NILU_TRY(nilu_feed(f->plan, f->given[i].name, f->in[i].data, bytes));
    }
    return nilu_step(f->plan);
}

void cli_foreign_free(cli_foreign *f)
{
    nilu_plan_free(f->plan);
    nilu_store_free(f->store);
    nilu_graph_free(f->g);
    for (int i = 0; i < f->nin && i < (int)COUNT(f->in); i++)
        nilu_array_free(f->c->nl, f->in[i].data);
    nilu_onnx_free(f->model);
}
