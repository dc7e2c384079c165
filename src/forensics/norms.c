/* The gradient of one sample's own loss, for all samples of a batch at once. A dense layer's is the outer product of what
 * the sample brought, x, and the error that came back to it, delta; so its length is |x| |delta|, and the product of two
 * samples' gradients (x . x')(delta . delta'): no gradient is ever made (Goodfellow 2015). */
#include "forensics/forensics.h"

#include <string.h>

static bool among(nilu_tensor *const *t, int n, const nilu_tensor *one)
{
    for (int i = 0; i < n; i++)
        if (t[i] == one)
            return true;
    return false;
}

/* How many of the layers hold this parameter. */
static int holders(const forensics_site *site, int n, const nilu_tensor *param)
{
    int holders = 0;
    for (int i = 0; i < n; i++)
        holders += (site[i].w == param) + (site[i].b == param);
    return holders;
}

/* Keeps the layers that the loss depends on; each parameter must be in exactly one of them. */
static nilu_status choose(nilu_graph *g, int nparam, nilu_tensor *const *param, int *n, forensics_site *site)
{
    int kept = 0;
    for (int i = 0; i < *n; i++)
        if (!site[i].slides && among(param, nparam, site[i].w))
            site[kept++] = site[i];
    *n = kept;
    for (int i = 0; i < nparam; i++)
        if (holders(site, kept, param[i]) != 1)
            return graph_fail(
                g, NILU_E_UNSUPPORTED,
                N_("%s: belongs to no dense layer, or to several; gradients of single samples are known for nets of dense layers alone"),
                nilu_tensor_name(param[i]));
    for (int i = 0; i < kept; i++)
        if (site[i].x->shape.dim[0] != site[0].x->shape.dim[0] || (site[i].b && site[i].b->shape.dim[0] != site[i].out))
            return graph_fail(g, NILU_E_UNSUPPORTED,
                              N_("%s: its input has %lld rows, that of %s %lld; a row must be a sample"), site[i].name,
                              (long long)site[i].x->shape.dim[0], site[0].name, (long long)site[0].x->shape.dim[0]);
    return NILU_OK;
}

nilu_status forensics_dense(nilu_tensor *loss, int *n, forensics_site **site)
{
    nilu_graph *g = nilu_tensor_graph(loss);
    int nparam = nilu_params_of(loss, 0, NULL);
    *n = forensics_sites(g, NULL, 0);
    *site = base_calloc(g->nl, (size_t)*n + 1, sizeof **site);
    nilu_tensor **param = base_calloc(g->nl, (size_t)nparam + 1, sizeof *param);
    nilu_status status = *site && param ? NILU_OK : graph_fail(g, NILU_E_NO_MEMORY, "%s", g->nl->message);
    if (status == NILU_OK && (nparam == 0 || *n == 0))
        status = graph_fail(g, NILU_E_UNSUPPORTED, N_("%s: depends on no dense layer"), nilu_tensor_name(loss));
    if (status == NILU_OK) {
        nilu_params_of(loss, nparam, param);
        forensics_sites(g, *site, *n);
        status = choose(g, nparam, param, n, *site);
    }
    base_free(g->nl, param);
    if (status == NILU_OK)
        return status;
    base_free(g->nl, *site);
    *site = NULL;
    return status;
}

nilu_status forensics_errors(nilu_tensor *from, int n, const forensics_site *site, nilu_tensor **delta)
{
    nilu_graph *g = nilu_tensor_graph(from);
    nilu_tensor **z = base_calloc(g->nl, (size_t)n, sizeof *z);
    if (!z)
        return graph_fail(g, NILU_E_NO_MEMORY, "%s", g->nl->message);
    for (int i = 0; i < n; i++)
        z[i] = site[i].z;
    nilu_status status = nilu_grad(from, n, z, delta);
    base_free(g->nl, z);
    return status;
}

static nilu_tensor *length2(nilu_tensor *t)
{
    return nilu_sum(nilu_square(t), NILU_AXES(1), true);
}

nilu_tensor *forensics_norm(int n, const forensics_site *site, nilu_tensor *const *delta)
{
    nilu_tensor *sum = NULL;
    for (int i = 0; i < n; i++) {
        nilu_tensor *x2 = length2(site[i].x), *own = nilu_mul(site[i].b ? nilu_shift(x2, 1) : x2, length2(delta[i]));
        sum = sum ? nilu_add(sum, own) : own;
    }
    return nilu_sqrt(sum);
}

nilu_tensor *nilu_sample_norms(nilu_tensor *loss)
{
    int n;
    forensics_site *site;
    if (!loss || forensics_dense(loss, &n, &site) != NILU_OK)
        return NULL;
    nilu *nl = nilu_tensor_graph(loss)->nl;
    nilu_tensor **delta = base_calloc(nl, (size_t)n, sizeof *delta), *norm = NULL;
    if (!delta)
        graph_fail(nilu_tensor_graph(loss), NILU_E_NO_MEMORY, "%s", nl->message);
    else if (forensics_errors(loss, n, site, delta) == NILU_OK) {
        int64_t rows = site[0].x->shape.dim[0];
        norm = nilu_reshape(nilu_scale(forensics_norm(n, site, delta), (double)rows), NILU_SHAPE(rows));
    }
    base_free(nl, delta);
    base_free(nl, site);
    return norm;
}
