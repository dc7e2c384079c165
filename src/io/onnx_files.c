/* All files that an ONNX model is made of, one after the other: hashed together, and copied where that is wanted. The others
 * are named by tensors of the first, wherever in it these are. */
#include "io/onnx.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define CHUNK ((size_t)1 << 20)

typedef struct files {
    const nilu_onnx *m;
    const char *to; /* folder with a slash, or NULL */
    base_sha256 sha256;
    const char **done;
    int n, cap;
    char *chunk;
} files;

/* Copied names stay in the folder: no "..", no absolute path, nothing empty. */
static bool plain(const char *name)
{
    for (const char *p = name;; p++) {
        size_t n = strcspn(p, "/");
        if (n == 0 || (n == 1 && *p == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
            return false;
        p += n;
        if (!*p)
            return true;
    }
}

static nilu_status pass(files *f, int fd, base_output *o)
{
    for (;;) {
        ssize_t r = read(fd, f->chunk, CHUNK);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return base_fail(f->m->nl, NILU_E_FILE_READ, N_("%s: reading failed: %s"), f->m->path, strerror(errno));
        if (r == 0)
            return NILU_OK;
        base_sha256_add(&f->sha256, f->chunk, (size_t)r);
        if (o)
            base_write(o, f->chunk, (size_t)r);
    }
}

static nilu_status one(files *f, int fd, const char *name)
{
    nilu *nl = f->m->nl;
    base_output o;
    if (!f->to)
        return pass(f, fd, NULL);
    char *path = base_format(nl, "%s%s", f->to, name), *slash = path ? strrchr(path, '/') : NULL;
    nilu_status status = path ? NILU_OK : NILU_E_NO_MEMORY;
    if (slash) {
        *slash = 0;
        status = base_make_dirs(nl, path);
        *slash = '/';
    }
    if (status == NILU_OK)
        status = base_create(nl, path, &o);
    if (status == NILU_OK) {
        status = pass(f, fd, &o);
        if (status == NILU_OK)
            status = base_commit(&o);
        else
            base_discard(&o);
    }
    base_free(nl, path);
    return status;
}

static nilu_status tensor(files *f, const onnx_tensor *t)
{
    const char *name = NULL;
    for (size_t i = 0; i < t->n_external_data; i++)
        if (t->external_data[i]->key && strcmp(t->external_data[i]->key, "location") == 0)
            name = t->external_data[i]->value;
    if (!t->has_data_location || t->data_location != ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL || !name)
        return NILU_OK;
    for (int i = 0; i < f->n; i++)
        if (strcmp(f->done[i], name) == 0)
            return NILU_OK;
    if (!plain(name))
        return base_fail(f->m->nl, NILU_E_UNSUPPORTED, N_("%.200s: its data lie in \"%.200s\", which a run cannot keep; save it with "
                                                          "a plain name"), f->m->path, name);
    NILU_TRY(base_grow(f->m->nl, &f->done, &f->cap, f->n + 1, sizeof *f->done));
    f->done[f->n++] = name;
    int fd = onnx_beside(f->m->folder, name);
    if (fd < 0)
        return base_fail(f->m->nl, NILU_E_FILE_NOT_FOUND, N_("%s: cannot be opened: %s"), name, strerror(errno));
    base_sha256_add(&f->sha256, name, strlen(name) + 1);
    nilu_status status = one(f, fd, name);
    close(fd);
    return status;
}

/* Nesting was limited when the file was opened. */
static nilu_status graph(files *f, const Onnx__GraphProto *g)
{
    for (size_t i = 0; i < g->n_initializer; i++)
        NILU_TRY(tensor(f, g->initializer[i]));
    for (size_t i = 0; i < g->n_node; i++)
        for (size_t k = 0; k < g->node[i]->n_attribute; k++) {
            const onnx_attribute *a = g->node[i]->attribute[k];
            if (a->t)
                NILU_TRY(tensor(f, a->t));
            if (a->g)
                NILU_TRY(graph(f, a->g));
            for (size_t j = 0; j < a->n_graphs; j++)
                NILU_TRY(graph(f, a->graphs[j]));
        }
    return NILU_OK;
}

nilu_status onnx_files(const nilu_onnx *m, const char *to, char hex[65])
{
    const char *slash = strrchr(m->path, '/'), *name = slash ? slash + 1 : m->path;
    files f = {.m = m, .to = to, .chunk = base_alloc(m->nl, CHUNK)};
    int fd = open(m->path, O_RDONLY | O_CLOEXEC);
    nilu_status status = f.chunk ? NILU_OK : NILU_E_NO_MEMORY;
    base_sha256_start(&f.sha256);
    if (status == NILU_OK && fd < 0)
        status = base_fail(m->nl, NILU_E_FILE_NOT_FOUND, N_("%s: cannot be opened: %s"), m->path, strerror(errno));
    if (status == NILU_OK)
        status = one(&f, fd, name);
    if (status == NILU_OK)
        status = graph(&f, m->model->graph);
    if (fd >= 0)
        close(fd);
    base_sha256_end(&f.sha256, hex);
    base_free(m->nl, f.done);
    base_free(m->nl, f.chunk);
    return status;
}
