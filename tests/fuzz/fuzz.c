#include "fuzz/fuzz.h"

#include "data/data.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* Each block is preceded by its size, in as many bytes as keep the rest aligned as malloc does. */
enum { HEAD = 16 };
static size_t alive, most;
static bool refusing;
/* Processor time that an input may take; the fuzzer's own limit looks at the clock on the wall, and is for those that never end. */
#define SECONDS 10
static clock_t begun;

static void *resize(void *user, void *old, size_t size)
{
    size_t had = 0;
    (void)user;
    if (old)
        memcpy(&had, (char *)old - HEAD, sizeof had);
    if (size == 0) {
        alive -= had;
        free(old ? (char *)old - HEAD : NULL);
        return NULL;
    }
    if (refusing && (size > most || alive - had > most - size))
        return NULL;
    if (size > most || alive - had > most - size) {
        fprintf(stderr, "fuzz: %zu bytes more than %zu are asked for where %zu are allowed\n", size, alive - had, most);
        abort();
    }
    char *p = realloc(old ? (char *)old - HEAD : NULL, size + HEAD);
    if (!p)
        return NULL;
    memcpy(p, &size, sizeof size);
    alive += size - had;
    return p + HEAD;
}

/* Wall-clock time says little where others work: the fuzzer is asked to end (that is what SIGUSR1 means to it) when it has had
 * the processor for so long. */
static void look_at_clock(void)
{
    static unsigned executions;
    static double limit = -1;
    static bool told;
    if (limit < 0)
        limit = getenv("NILU_FUZZ_SECONDS") ? atof(getenv("NILU_FUZZ_SECONDS")) : 1e9;
    double spent = (double)clock() / CLOCKS_PER_SEC;
    if (told || ++executions % 64 || spent < limit)
        return;
    told = true;
    fprintf(stderr, "fuzz: %.0f seconds of CPU time are over\n", spent);
    raise(SIGUSR1);
}

nilu *fuzz_context(size_t size, size_t constant)
{
    nilu_options o = NILU_OPTIONS_DEFAULT;
    o.alloc.resize = resize;
    o.isa = "portable";
    look_at_clock();
    begun = clock();
    alive = 0;
    refusing = false;
    most = 2 * size + constant;
    nilu *nl = nilu_new(&o, NULL);
    if (!nl)
        abort();
    return nl;
}

void fuzz_refuse(size_t constant)
{
    refusing = true;
    most += constant;
}

void fuzz_end(nilu *nl)
{
    nilu_free(nl);
    if (clock() - begun > SECONDS * (clock_t)CLOCKS_PER_SEC) {
        fprintf(stderr, "fuzz: it took %.0f seconds of CPU time\n", (double)(clock() - begun) / CLOCKS_PER_SEC);
        abort();
    }
    if (alive) {
        fprintf(stderr, "fuzz: %zu bytes were not freed\n", alive);
        abort();
    }
}

const char *fuzz_folder(void)
{
    static char folder[64];
    if (!folder[0]) {
        strcpy(folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/nilu-fuzz-XXXXXX" : "/tmp/nilu-fuzz-XXXXXX");
        if (!mkdtemp(folder))
            abort();
    }
    return folder;
}

const char *fuzz_file(const char *name, const void *bytes, size_t n)
{
    static char path[8][192];
    static unsigned turn;
    char *p = path[turn++ % 8];
    snprintf(p, sizeof path[0], "%s/%s", fuzz_folder(), name);
    int fd = open(p, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, bytes, n) != (ssize_t)n || close(fd) != 0)
        abort();
    return p;
}

void fuzz_judge(nilu *nl, nilu_status status)
{
    const char *said = nilu_errmsg(nl);
    if (status != NILU_OK && (!said[0] || !data_is_utf8(said, strlen(said)) || strchr(said, '\n'))) {
        fprintf(stderr, "fuzz: status %d comes with \"%s\"\n", (int)status, said);
        abort();
    }
}

void fuzz_model(nilu *nl, const nilu_model *model)
{
    static const nilu_shape shapes[] = {{2, {2, 12}}, {4, {2, 3, 8, 8}}};
    nilu_tensor *x[8], *y;
    int inputs = nilu_model_inputs(model);
    for (int turn = 0; turn < 4 && inputs <= 8; turn++) {
        nilu_graph *g = nilu_graph_new(nl);
        for (int i = 0; i < inputs && g; i++)
            x[i] = nilu_input(g, nilu_model_input_name(model, i), NILU_F32, shapes[turn / 2]);
        if (g)
            fuzz_judge(nl, nilu_model_build_n(model, inputs, x, 3, turn % 2, &y));
        nilu_graph_free(g);
    }
}

char *fuzz_text(const uint8_t *bytes, size_t n)
{
    char *text = malloc(n + 1);
    if (!text)
        abort();
    memcpy(text, bytes, n);
    text[n] = 0;
    return text;
}
