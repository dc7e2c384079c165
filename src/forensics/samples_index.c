/* The index of training samples: for every snapshot, of every sample and layer, x and delta as few numbers: their
 * coordinates on an orthonormal basis that holds most of what such x (such deltas) have, found by two rounds of subspace
 * iteration on some samples (Halko, Martinsson, Tropp 2011). delta is divided by the length of the sample's gradient, so
 * that (x . x')(delta . delta'), summed over layers, is nearly a cosine.
 *
 * The file: a header with what it was made of; for each snapshot the bases, and a block for every 512 samples (of each
 * layer all x, then all deltas, bf16); then the lengths of gradients and of the errors at the answer. Every part is
 * followed by its XXH3 sum, and nothing is used whose sum is wrong; a header that is not to the byte what this run would
 * write is another's. */
#include "forensics/samples.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#define LEARNT 2048 /* samples that a basis is learnt from */
#define ROUNDS 2
#define HEADER 128
#define MAGIC "nilu samples 1\n"

/* ---- what stands in the file */

static int64_t blocks(const nilu_samples *s)
{
    return (s->n + SAMPLES_ROWS - 1) / SAMPLES_ROWS;
}

static size_t block_bytes(const nilu_samples *s)
{
    int64_t width = 0;
    for (int i = 0; i < s->nlayer; i++)
        width += s->layer[i].kx + s->layer[i].kd;
    return (size_t)width * SAMPLES_ROWS * sizeof(uint16_t);
}

static size_t facts_bytes(const nilu_samples *s)
{
    return 2 * (size_t)s->info.moments * (size_t)s->n * sizeof(float);
}

static size_t file_bytes(const nilu_samples *s)
{
    size_t sum = sizeof(uint64_t),
           moment = s->basis_n * sizeof(float) + sum + (size_t)blocks(s) * (block_bytes(s) + sum);
    return HEADER + (size_t)s->info.moments * moment + facts_bytes(s) + sum;
}

/* The run, its data among it, the weights of every moment, and how the file is laid out. */
static void header(const nilu_samples *s, char out[HEADER])
{
    base_sha256 sha;
    char hex[65], text[256];
    const uint32_t order = 0x01020304;
    base_sha256_start(&sha);
    base_sha256_add(&sha, s->about->about->identity, strlen(s->about->about->identity));
    base_sha256_add(&sha, s->about->set->fingerprint, strlen(s->about->set->fingerprint));
    base_sha256_add(&sha, &order, sizeof order);
    snprintf(text, sizeof text, " %lld samples, %d rows, %d wide, %d learnt, %d moments", (long long)s->n, SAMPLES_ROWS,
             SAMPLES_WIDTH, LEARNT, s->info.moments);
    base_sha256_add(&sha, text, strlen(text));
    for (int m = 0; m < s->info.moments; m++) {
        nilu_store_hash(s->moment[m], NILU_PARAM, hex);
        base_sha256_add(&sha, hex, 64);
    }
    base_sha256_end(&sha, hex);
    memset(out, 0, HEADER);
    snprintf(out, HEADER, "%s%s\n", MAGIC, hex);
}

static size_t lay_out(const nilu_samples *s)
{
    size_t n = 0;
    for (int i = 0; i < s->nlayer; i++) {
        const samples_layer *l = &s->layer[i];
        n += (size_t)((l->in > l->kx ? l->in * l->kx : 0) + (l->out > l->kd ? l->out * l->kd : 0));
    }
    return n;
}

/* ---- bases */

typedef struct side { /* x or delta of a layer */
    int64_t n, k;
    const char *name;
    bool based;
} side;

static side side_of(const samples_layer *l, int which)
{
    return which ? (side){l->out, l->kd, l->bd, l->out > l->kd} : (side){l->in, l->kx, l->bx, l->in > l->kx};
}

/* Gram-Schmidt, twice for accuracy; a column with nothing of its own becomes 0. */
static void orthonormal(float *b, int64_t n, int64_t k)
{
    for (int64_t c = 0; c < k; c++)
        for (int round = 0; round < 2; round++) {
            double own = 0, left = 0;
            for (int64_t r = 0; r < n; r++)
                own += (double)b[r * k + c] * (double)b[r * k + c];
            for (int64_t p = 0; p < c; p++) {
                double dot = 0;
                for (int64_t r = 0; r < n; r++)
                    dot += (double)b[r * k + p] * (double)b[r * k + c];
                for (int64_t r = 0; r < n; r++)
                    b[r * k + c] -= (float)(dot * (double)b[r * k + p]);
            }
            for (int64_t r = 0; r < n; r++)
                left += (double)b[r * k + c] * (double)b[r * k + c];
            double scale = left > 1e-10 * own ? 1 / sqrt(left) : 0;
            for (int64_t r = 0; r < n; r++)
                b[r * k + c] = (float)(scale * (double)b[r * k + c]);
        }
}

static nilu_tensor *basis_input(samples_graph *g, side a)
{
    return nilu_input(g->g, a.name, NILU_F32, NILU_SHAPE(a.n, a.k));
}

static nilu_tensor *unit_delta(const samples_graph *g, int i)
{
    nilu_tensor *length = nilu_clamp(g->norm, 1e-30, 1e30);
    return nilu_div(g->delta[i], length);
}

static nilu_status feed_bases(nilu_samples *s, nilu_plan *plan)
{
    float *at = s->basis;
    for (int i = 0; i < 2 * s->nlayer; i++) {
        side a = side_of(&s->layer[i / 2], i % 2);
        if (!a.based)
            continue;
        NILU_TRY(nilu_feed(plan, a.name, at, (size_t)(a.n * a.k) * sizeof *at));
        at += a.n * a.k;
    }
    return NILU_OK;
}

/* Fetches, of each side that needs a basis, A^T (A basis) over the rows. */
static nilu_status plan_learn(nilu_samples *s, samples_pass *pass)
{
    samples_graph g;
    nilu_tensor **fetch = NULL;
    int n = 0;
    nilu_status status = samples_graph_new(s, SAMPLES_ROWS, &g);
    if (status == NILU_OK && !(fetch = base_calloc(s->nl, 2 * (size_t)s->nlayer + 1, sizeof *fetch)))
        status = NILU_E_NO_MEMORY;
    for (int i = 0; i < 2 * s->nlayer && status == NILU_OK; i++) {
        side a = side_of(&s->layer[i / 2], i % 2);
        nilu_tensor *rows = i % 2 ? unit_delta(&g, i / 2) : g.site[i / 2].x;
        if (a.based)
            fetch[n++] = nilu_matmul_t(rows, true, nilu_matmul(rows, basis_input(&g, a)), false);
    }
    if (status == NILU_OK && n)
        status = samples_pass_new(s, &g, SAMPLES_ROWS, n, fetch, pass);
    if (status == NILU_OK && n)
        status = feed_bases(s, pass->plan);
    base_free(s->nl, fetch);
    samples_graph_free(s, &g);
    return status;
}

static void each_basis(nilu_samples *s, void (*act)(float *b, int64_t n, int64_t k))
{
    float *at = s->basis;
    for (int i = 0; i < 2 * s->nlayer; i++) {
        side a = side_of(&s->layer[i / 2], i % 2);
        if (a.based) {
            act(at, a.n, a.k);
            at += a.n * a.k;
        }
    }
}

static void draw(float *b, int64_t n, int64_t k)
{
    for (int64_t i = 0; i < n * k; i++)
        b[i] = (float)base_normal((base_key){(uint64_t)n, 0x5a}, (uint64_t)i);
}

static nilu_status learn_bases(nilu_samples *s, samples_pass *pass)
{
    if (!pass->plan)
        return NILU_OK;
    int64_t some = s->n < LEARNT ? s->n : LEARNT;
    each_basis(s, draw);
    each_basis(s, orthonormal);
    for (int round = 0; round < ROUNDS; round++) {
        memset(s->next, 0, s->basis_n * sizeof *s->next);
        for (int64_t first = 0; first < some; first += SAMPLES_ROWS) {
            int64_t index[SAMPLES_ROWS];
            for (int64_t r = 0; r < SAMPLES_ROWS; r++)
                index[r] = (first + r < some ? first + r : some - 1) * s->n / some;
            NILU_TRY(samples_meet(s, pass, index, 0, SAMPLES_ROWS));
            NILU_TRY(nilu_step(pass->plan));
            float *at = s->next;
            for (int i = 0, k = 0; i < 2 * s->nlayer; i++) {
                side a = side_of(&s->layer[i / 2], i % 2);
                if (!a.based)
                    continue;
                const float *add = nilu_fetched(pass->plan, k++);
                for (int64_t j = 0; j < a.n * a.k; j++)
                    *at++ += add[j];
            }
        }
        memcpy(s->basis, s->next, s->basis_n * sizeof *s->basis);
        each_basis(s, orthonormal);
    }
    return NILU_OK;
}

/* ---- making it */

/* Fetches the coordinates, bf16; the lengths of gradients; the lengths of errors at the answer. */
static nilu_status plan_make(nilu_samples *s)
{
    samples_graph g;
    int n = 2 * s->nlayer;
    nilu_tensor **fetch = base_calloc(s->nl, (size_t)n + 2, sizeof *fetch);
    nilu_status status = fetch ? samples_graph_new(s, SAMPLES_ROWS, &g) : NILU_E_NO_MEMORY;
    if (!fetch)
        return status;
    for (int i = 0; i < n && status == NILU_OK; i++) {
        side a = side_of(&s->layer[i / 2], i % 2);
        nilu_tensor *rows = i % 2 ? unit_delta(&g, i / 2) : g.site[i / 2].x;
        fetch[i] = nilu_cast(a.based ? nilu_matmul(rows, basis_input(&g, a)) : rows, NILU_BF16);
    }
    if (status == NILU_OK) {
        fetch[n] = g.norm;
        fetch[n + 1] = nilu_sqrt(nilu_sum(nilu_square(g.delta[g.n]), NILU_AXES(1), true));
        status = samples_pass_new(s, &g, SAMPLES_ROWS, n + 2, fetch, &s->make);
    }
    if (status == NILU_OK)
        status = feed_bases(s, s->make.plan);
    base_free(s->nl, fetch);
    samples_graph_free(s, &g);
    return status;
}

static void write_part(base_output *o, const void *bytes, size_t n)
{
    uint64_t sum = XXH3_64bits(bytes, n);
    base_write(o, bytes, n);
    base_write(o, &sum, sizeof sum);
}

static void take_block(nilu_samples *s, int moment, int64_t first, unsigned char *block)
{
    const samples_pass *p = &s->make;
    const float *norm = nilu_fetched(p->plan, 2 * s->nlayer), *error = nilu_fetched(p->plan, 2 * s->nlayer + 1);
    for (int i = 0; i < 2 * s->nlayer; i++) {
        size_t row = (size_t)side_of(&s->layer[i / 2], i % 2).k * sizeof(uint16_t);
        memcpy(block, nilu_fetched(p->plan, i), row * SAMPLES_ROWS);
        for (size_t r = 0; r < SAMPLES_ROWS && i % 2; r++)
            if (!p->known[r])
                memset(block + r * row, 0, row);
        block += row * SAMPLES_ROWS;
    }
    for (int64_t r = 0; r < SAMPLES_ROWS && first + r < s->n; r++) {
        s->norm[moment * s->n + first + r] = p->known[r] ? norm[r] : 0;
        s->error[moment * s->n + first + r] = p->known[r] ? error[r] : 0;
    }
}

static nilu_status make_moment(nilu_samples *s, int m, samples_pass *learn, unsigned char *block, base_output *o)
{
    samples_put(s, s->moment[m]);
    NILU_TRY(learn_bases(s, learn));
    write_part(o, s->basis, s->basis_n * sizeof *s->basis);
    for (int64_t b = 0; b < blocks(s); b++) {
        if (s->options.progress &&
            !s->options.progress(s->options.user, m * s->n + b * SAMPLES_ROWS, s->info.moments * s->n))
            return base_fail(s->nl, NILU_E_CANCELLED, N_("the index of training samples was not finished"));
        NILU_TRY(samples_meet(s, &s->make, NULL, b * SAMPLES_ROWS, s->n));
        NILU_TRY(nilu_step(s->make.plan));
        take_block(s, m, b * SAMPLES_ROWS, block);
        write_part(o, block, block_bytes(s));
    }
    return NILU_OK;
}

static nilu_status make(nilu_samples *s)
{
    double start = base_now();
    samples_pass learn = {0};
    base_output o;
    char head[HEADER];
    unsigned char *block = base_alloc(s->nl, block_bytes(s));
    nilu_status status = block ? plan_learn(s, &learn) : NILU_E_NO_MEMORY;
    if (status == NILU_OK)
        status = plan_make(s);
    if (status == NILU_OK)
        status = base_create(s->nl, s->path, &o);
    if (status == NILU_OK) {
        header(s, head);
        base_write(&o, head, HEADER);
        for (int m = 0; m < s->info.moments && status == NILU_OK; m++)
            status = make_moment(s, m, &learn, block, &o);
        write_part(&o, s->norm, facts_bytes(s));
        if (status == NILU_OK)
            status = base_commit(&o);
        else
            base_discard(&o);
    }
    samples_pass_free(s->nl, &learn);
    samples_pass_free(s->nl, &s->make);
    base_free(s->nl, block);
    s->info.made = true;
    s->info.seconds = base_now() - start;
    return status;
}

/* ---- reading it */

static bool read_part(FILE *f, void *bytes, size_t n)
{
    uint64_t sum;
    return fread(bytes, 1, n, f) == n && fread(&sum, 1, sizeof sum, f) == sizeof sum && sum == XXH3_64bits(bytes, n);
}

static FILE *open_file(const nilu_samples *s)
{
    struct stat info;
    FILE *f = fopen(s->path, "rbe");
    if (f && fstat(fileno(f), &info) == 0 && S_ISREG(info.st_mode) && (size_t)info.st_size == file_bytes(s))
        return f;
    if (f)
        fclose(f);
    return NULL;
}

/* Is there an index, and is it of this run? */
static bool fits(nilu_samples *s)
{
    char want[HEADER], have[HEADER];
    FILE *f = open_file(s);
    if (!f)
        return false;
    header(s, want);
    bool good = fread(have, 1, HEADER, f) == HEADER && memcmp(have, want, HEADER) == 0 &&
                fseeko(f, (off_t)(file_bytes(s) - facts_bytes(s) - sizeof(uint64_t)), SEEK_SET) == 0 &&
                read_part(f, s->norm, facts_bytes(s));
    fclose(f);
    return good;
}

nilu_status samples_index(nilu_samples *s)
{
    s->basis_n = lay_out(s);
    s->info.bytes = file_bytes(s);
    s->basis = base_calloc(s->nl, 2 * s->basis_n + 1, sizeof *s->basis);
    s->norm = base_calloc(s->nl, 1, facts_bytes(s));
    if (!s->basis || !s->norm)
        return NILU_E_NO_MEMORY;
    s->next = s->basis + s->basis_n;
    s->error = s->norm + (size_t)s->info.moments * (size_t)s->n;
    return fits(s) ? NILU_OK : make(s);
}

/* ---- searching it */

typedef struct search {
    nilu_graph *g;
    nilu_plan *plan;
    nilu_store *store;
    unsigned char *block;
    float *asked; /* coordinates of the ghost, of all sides */
} search;

static nilu_status plan_search(nilu_samples *s, search *f)
{
    char name[24];
    nilu_tensor *sum = NULL, *part[2] = {0};
    size_t at = 0, width = 0;
    f->g = nilu_graph_new(s->nl);
    f->store = nilu_store_new(s->nl);
    f->block = base_alloc(s->nl, block_bytes(s));
    f->asked = base_calloc(s->nl, block_bytes(s) / SAMPLES_ROWS, sizeof *f->asked);
    if (!f->g || !f->store || !f->block || !f->asked)
        return NILU_E_NO_MEMORY;
    for (int i = 0; i < 2 * s->nlayer; i++) {
        const samples_layer *l = &s->layer[i / 2];
        side a = side_of(l, i % 2);
        snprintf(name, sizeof name, "rows%d", i);
        nilu_tensor *rows = nilu_cast(nilu_input(f->g, name, NILU_BF16, NILU_SHAPE(SAMPLES_ROWS, a.k)), NILU_F32);
        part[i % 2] = nilu_matmul_t(rows, false, nilu_input(f->g, a.name, NILU_F32, NILU_SHAPE(1, a.k)), true);
        if (i % 2 == 0)
            continue;
        nilu_tensor *own = nilu_mul(l->bias ? nilu_shift(part[0], 1) : part[0], part[1]);
        sum = sum ? nilu_add(sum, own) : own;
    }
    NILU_TRY(nilu_compile(f->g, f->store, 1, &sum, NULL, &f->plan));
    for (int i = 0; i < 2 * s->nlayer; i++) {
        side a = side_of(&s->layer[i / 2], i % 2);
        size_t bytes = (size_t)a.k * SAMPLES_ROWS * sizeof(uint16_t);
        snprintf(name, sizeof name, "rows%d", i);
        NILU_TRY(nilu_feed(f->plan, name, f->block + at, bytes));
        NILU_TRY(nilu_feed(f->plan, a.name, f->asked + width, (size_t)a.k * sizeof *f->asked));
        at += bytes;
        width += (size_t)a.k;
    }
    return NILU_OK;
}

/* The ghost on the bases at hand. */
static void project(const nilu_samples *s, const samples_ghost *ghost, float *out)
{
    const float *x = ghost->x, *d = ghost->delta, *b = s->basis;
    for (int i = 0; i < 2 * s->nlayer; i++) {
        side a = side_of(&s->layer[i / 2], i % 2);
        const float *v = i % 2 ? d : x;
        for (int64_t c = 0; c < a.k; c++) {
            double sum = a.based ? 0 : (double)v[c];
            for (int64_t r = 0; r < a.n && a.based; r++)
                sum += (double)v[r] * (double)b[r * a.k + c];
            *out++ = (float)sum;
        }
        b += a.based ? a.n * a.k : 0;
        x += i % 2 ? 0 : a.n;
        d += i % 2 ? a.n : 0;
    }
}

static nilu_status damaged(const nilu_samples *s)
{
    return base_fail(s->nl, NILU_E_FILE_CORRUPT,
                     N_("%s: the index of training samples is damaged; delete it, it will be made anew"), s->path);
}

static nilu_status search_moment(nilu_samples *s, search *f, FILE *file, const samples_ghost *ghost, double *score)
{
    if (!read_part(file, s->basis, s->basis_n * sizeof *s->basis))
        return damaged(s);
    project(s, ghost, f->asked);
    for (int64_t first = 0; first < s->n; first += SAMPLES_ROWS) {
        if (!read_part(file, f->block, block_bytes(s)))
            return damaged(s);
        NILU_TRY(nilu_step(f->plan));
        const float *product = nilu_fetched(f->plan, 0);
        for (int64_t r = 0; r < SAMPLES_ROWS && first + r < s->n && ghost->length > 0; r++)
            score[first + r] += (double)product[r] / ghost->length;
    }
    return NILU_OK;
}

nilu_status samples_search(nilu_samples *s, const samples_ghost *ghost, double *score)
{
    search f = {0};
    FILE *file = open_file(s);
    nilu_status status = file && fseeko(file, HEADER, SEEK_SET) == 0 ? plan_search(s, &f) : damaged(s);
    for (int m = 0; m < s->info.moments && status == NILU_OK; m++)
        status = search_moment(s, &f, file, &ghost[m], score);
    if (file)
        fclose(file);
    nilu_plan_free(f.plan);
    nilu_graph_free(f.g);
    nilu_store_free(f.store);
    base_free(s->nl, f.block);
    base_free(s->nl, f.asked);
    return status;
}
