/* Models from files, whatever their format: layers in YAML, or a net that others wrote, which is opened where its text says
 * that it lies. A run keeps a copy of such a file, with all that belongs to it, and the hash of both. */
#include "io/onnx.h"
#include "io/io.h"
#include "nn/nn.h"

#include <string.h>

#define MODEL_FILE_LIMIT (4u << 20) /* of YAML */
#define KEPT "network/"             /* in the folder of a run */

static nilu_status not_the_same(const nilu_model *m, const char *path)
{
    return base_fail(m->nl, NILU_E_VERIFY, N_("%.300s: is not the file that the model was made of (SHA-256 differs); put back the "
                                              "one that was here"), path);
}

nilu_status io_model_open(nilu_model *m, const char *folder)
{
    nilu *nl = m->nl;
    char hex[65];
    if (!m->path || m->source)
        return NILU_OK;
    char *path = m->path[0] == '/' || !*folder ? base_strdup(nl, m->path) : base_format(nl, "%s/%s", folder, m->path);
    nilu_status status = path ? onnx_model_open(m, path) : NILU_E_NO_MEMORY;
    if (status == NILU_OK && m->sha256)
        status = onnx_files(m->opened, NULL, hex);
    if (status == NILU_OK && m->sha256 && strcmp(hex, m->sha256) != 0)
        status = not_the_same(m, path);
    base_free(nl, path);
    return status;
}

nilu_status io_model_read(nilu *nl, const char *text, size_t n, const char *name, const char *folder, nilu_model **model)
{
    NILU_TRY(nn_model_read(nl, text, n, name, model));
    nilu_status status = io_model_open(*model, folder);
    if (status != NILU_OK) {
        nilu_model_free(*model);
        *model = NULL;
    }
    return status;
}

/* The file that `path` names is the model itself. */
static nilu_status foreign(nilu *nl, const char *path, nilu_model **model)
{
    nilu_model *m = nn_model_new(nl, path);
    nilu_status status = m ? nn_model_input(m, path, "x", false, NILU_SCALAR) : NILU_E_NO_MEMORY;
    if (status == NILU_OK)
        status = (m->path = base_strdup(nl, path)) ? io_model_open(m, "") : NILU_E_NO_MEMORY;
    if (status == NILU_OK)
        *model = m;
    else
        nilu_model_free(m);
    return status;
}

/* By the name, or by how messages begin (field 1, a number), as no YAML does. */
static bool is_foreign(nilu *nl, const char *path)
{
    unsigned char head[1] = {0};
    size_t n = strlen(path);
    if (n > 5 && strcmp(path + n - 5, ".onnx") == 0)
        return true;
    n = sizeof head;
    if (data_file_head(nl, path, head, &n) == NILU_OK)
        return n && head[0] == 0x08;
    (void)nilu_errmsg(nl); /* reading it as YAML will say so */
    return false;
}

nilu_status nilu_model_load(nilu *nl, const char *path, nilu_model **model)
{
    char *text = NULL, *folder = base_strdup(nl, path);
    size_t n = 0;
    *model = NULL;
    if (!folder)
        return NILU_E_NO_MEMORY;
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = 0;
    nilu_status status;
    if (is_foreign(nl, path)) {
        status = foreign(nl, path, model);
    } else {
        status = base_read_file(nl, path, MODEL_FILE_LIMIT, &text, &n);
        if (status == NILU_OK)
            status = io_model_read(nl, text, n, path, slash ? folder : "", model);
    }
    base_free(nl, text);
    base_free(nl, folder);
    return status;
}

nilu_status io_model_for_run(nilu_model *m)
{
    char hex[65];
    if (!m->source)
        return NILU_OK;
    const char *slash = strrchr(m->path, '/');
    NILU_TRY(onnx_files(m->opened, NULL, hex));
    char *sha256 = base_strdup(m->nl, hex), *path = base_format(m->nl, KEPT "%s", slash ? slash + 1 : m->path);
    if (!sha256 || !path) {
        base_free(m->nl, sha256);
        base_free(m->nl, path);
        return NILU_E_NO_MEMORY;
    }
    base_free(m->nl, m->sha256);
    base_free(m->nl, m->path);
    m->sha256 = sha256;
    m->path = path;
    return NILU_OK;
}

nilu_status io_model_keep(const nilu_model *m, const char *folder)
{
    char hex[65];
    if (!m || !m->source)
        return NILU_OK;
    char *to = base_format(m->nl, "%s/%s", folder, KEPT);
    nilu_status status = to ? onnx_files(m->opened, to, hex) : NILU_E_NO_MEMORY;
    base_free(m->nl, to);
    return status != NILU_OK ? status : strcmp(hex, m->sha256) == 0 ? NILU_OK : not_the_same(m, m->file);
}

bool nilu_model_train_norms(nilu_model *m, bool train)
{
    m->train_norms = train;
    return m->source && onnx_norms(m->opened) > 0;
}
