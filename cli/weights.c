/* Files of weights are opened, listed and read. */
#include "weights.h"

#include "data/data.h"
#include "graph/graph.h"
#include "nn/nn.h"

#include <string.h>

/* A checkpoint of PyTorch's is a pickle: alone, or as the first member of a zip. */
static bool is_pickle(const unsigned char *head, size_t n)
{
    size_t name = n > 30 ? (size_t)head[26] | (size_t)head[27] << 8 : 0;
    if (n >= 2 && head[0] == 0x80 && head[1] <= 5)
        return true;
    return n >= 30 + name && name >= 8 && memcmp(head, "PK\3\4", 4) == 0 && memcmp(head + 30 + name - 8, "data.pkl", 8) == 0;
}

nilu_status cli_form_of(cli *c, const char *path, cli_form *form)
{
    unsigned char head[512] = {0};
    size_t n = sizeof head, length = strlen(path);
    NILU_TRY(data_file_head(c->nl, path, head, &n));
    if (is_pickle(head, n))
        return cli_fail(c, NILU_E_UNSUPPORTED, _(N_("%s: is a pickle, as PyTorch writes them, and reading one may run what is in it; write "
                                                    "the weights with safetensors.torch.save_file(net.state_dict(), \"net.safetensors\")")),
                        path);
    bool named = length > 12 && strcmp(path + length - 12, ".safetensors") == 0;
    *form = n >= 4 && memcmp(head, "GGUF", 4) == 0                                              ? CLI_FORM_GGUF
            : n >= 4 && (memcmp(head, "PK\3\4", 4) == 0 || memcmp(head, "PK\5\6", 4) == 0)      ? CLI_FORM_NPZ
            : named || (n >= 9 && head[8] == '{' && head[7] == 0)                               ? CLI_FORM_SAFETENSORS
                                                                                                : CLI_FORM_ONNX;
    return NILU_OK;
}

static cli_tensor *add(cli_weights *w, int most)
{
    if (!w->tensor)
        w->tensor = base_calloc(w->c->nl, (size_t)most + 1, sizeof *w->tensor);
    return w->tensor ? &w->tensor[w->count++] : NULL;
}

static nilu_status list_safetensors(cli_weights *w)
{
    NILU_TRY(io_open(w->c->nl, w->path, &w->safetensors));
    w->format = "safetensors";
    w->model = io_metadata(&w->safetensors, "model");
    for (int i = 0; i < w->safetensors.count; i++) {
        const io_tensor *t = &w->safetensors.tensor[i];
        cli_tensor *to = add(w, w->safetensors.count);
        if (!to)
            return NILU_E_NO_MEMORY;
        *to = (cli_tensor){t->name, t->half ? "F16" : io_dtype_name(t->dtype), t->dtype, t->shape, false};
    }
    return NILU_OK;
}

static nilu_status list_npz(cli_weights *w)
{
    nilu *nl = w->c->nl;
    NILU_TRY(nilu_npz_open(nl, w->path, &w->npz));
    w->format = "NPZ";
    int n = nilu_npz_count(w->npz);
    for (int i = 0; i < n; i++) {
        cli_tensor *to = add(w, n);
        void *data;
        if (!to)
            return NILU_E_NO_MEMORY;
        to->name = nilu_npz_name(w->npz, i);
        NILU_TRY(nilu_npz_read(w->npz, to->name, NILU_DTYPES, &to->dtype, &to->shape, &data));
        nilu_array_free(nl, data);
        to->type = nilu_dtype_name(to->dtype);
    }
    return NILU_OK;
}

static nilu_status list_gguf(cli_weights *w)
{
    NILU_TRY(gguf_open(w->c->nl, w->path, &w->gguf));
    w->format = "GGUF";
    w->model = w->gguf.model;
    for (int i = 0; i < w->gguf.count; i++) {
        const gguf_tensor *t = &w->gguf.tensor[i];
        cli_tensor *to = add(w, w->gguf.count);
        if (!to)
            return NILU_E_NO_MEMORY;
        *to = (cli_tensor){t->name, gguf_type_name(t), t->dtype, t->shape, false};
    }
    return NILU_OK;
}

nilu_status cli_weights_open(cli *c, const char *path, cli_form form, cli_weights *w)
{
    *w = (cli_weights){.c = c, .path = path, .format = "", .safetensors.fd = -1, .gguf.fd = -1};
    w->safetensors.nl = w->gguf.nl = c->nl;
    return form == CLI_FORM_GGUF ? list_gguf(w) : form == CLI_FORM_NPZ ? list_npz(w) : list_safetensors(w);
}

void cli_weights_close(cli_weights *w)
{
    if (!w->c)
        return;
    base_free(w->c->nl, w->tensor);
    io_close(&w->safetensors);
    nilu_npz_free(w->npz);
    gguf_close(&w->gguf);
    *w = (cli_weights){0};
}

/* Values of tensor i, as its dtype; freed by nilu_array_free. */
static nilu_status values_of(const cli_weights *w, int i, void **to)
{
    const cli_tensor *t = &w->tensor[i];
    nilu_dtype dtype;
    nilu_shape shape;
    if (w->npz)
        return nilu_npz_read(w->npz, t->name, t->dtype, &dtype, &shape, to);
    *to = base_alloc_aligned(w->c->nl, (size_t)base_count(t->shape) * nilu_dtype_size(t->dtype) + 1);
    if (!*to)
        return NILU_E_NO_MEMORY;
    return w->gguf.tensor ? gguf_read(&w->gguf, &w->gguf.tensor[i], *to) : io_read_tensor(&w->safetensors, &w->safetensors.tensor[i], *to);
}

nilu_status cli_weights_get(const cli_weights *w, int i, bool turned, float *to)
{
    const cli_tensor *t = &w->tensor[i];
    int64_t rows = turned ? t->shape.dim[0] : 1, columns = turned ? t->shape.dim[1] : base_count(t->shape);
    void *data = NULL;
    nilu_status status = values_of(w, i, &data);
    for (int64_t r = 0; r < rows && status == NILU_OK; r++)
        for (int64_t k = 0; k < columns; k++)
            to[k * rows + r] = (float)base_load(t->dtype, data, r * columns + k);
    nilu_array_free(w->c->nl, data);
    return status;
}

double cli_weights_numbers(const cli_weights *w)
{
    double n = 0;
    for (int i = 0; i < w->count; i++)
        n += (double)base_count(w->tensor[i].shape);
    return n;
}
