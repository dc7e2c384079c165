/* `nilu graph`: the way there and the way back of a model, as text or as a drawing. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct graph {
    cli_building building;
    const char *format, *out;
    bool update;
};

static const char *format_name(int i)
{
    static const char *const names[] = {"text", "dot", "mermaid", "svg"};
    return i >= 0 && i < (int)COUNT(names) ? names[i] : NULL;
}

/* Runs graphviz on a file and takes what it writes. Files on both sides: a pipe to and fro could block. */
static nilu_status draw(cli *c, const char *dot, FILE *to)
{
    FILE *in = tmpfile(), *out = tmpfile();
    posix_spawn_file_actions_t actions;
    char *args[] = {(char *)"dot", (char *)"-Tsvg", NULL}, bytes[4096];
    pid_t child;
    int ended = 0, failed = -1;
    nilu_status status = NILU_OK;
    if (!in || !out || fputs(dot, in) < 0 || fflush(in) != 0) {
        status = cli_fail(c, NILU_E_FILE_WRITE, _(N_("graph: a temporary file cannot be written: %s")), strerror(errno));
        goto cleanup;
    }
    rewind(in);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fileno(in), 0);
    posix_spawn_file_actions_adddup2(&actions, fileno(out), 1);
    failed = posix_spawnp(&child, "dot", &actions, NULL, args, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed == 0)
        while (waitpid(child, &ended, 0) < 0 && errno == EINTR)
            ;
    if (failed != 0 || (WIFEXITED(ended) && WEXITSTATUS(ended) == 127)) {
        status = cli_fail(c, NILU_E_UNSUPPORTED, _(N_("graph: svg is drawn by graphviz, whose command dot is not here; install "
                                                      "graphviz, or use --format dot or mermaid")));
        goto cleanup;
    }
    if (!WIFEXITED(ended) || WEXITSTATUS(ended) != 0) {
        status = cli_fail(c, NILU_E_SYSTEM, _(N_("graph: graphviz's dot failed; use --format dot to see what it was given")));
        goto cleanup;
    }
    rewind(out);
    for (size_t n; (n = fread(bytes, 1, sizeof bytes, out)) > 0;)
        fwrite(bytes, 1, n, to);
cleanup:
    if (in)
        fclose(in);
    if (out)
        fclose(out);
    return status;
}

static nilu_status write_graph(cli *c, nilu_graph *g, const struct graph *s)
{
    bool svg = strcmp(s->format, "svg") == 0;
    base_output o = {0};
    char *text = nilu_graph_text(g, svg ? "dot" : s->format);
    if (!text)
        return NILU_E_NO_MEMORY;
    nilu_status status = s->out ? base_create(c->nl, s->out, &o) : NILU_OK;
    FILE *f = o.file ? o.file : stdout;
    if (status == NILU_OK && svg)
        status = draw(c, text, f);
    else if (status == NILU_OK)
        fputs(text, f);
    if (o.file && status == NILU_OK)
        status = base_commit(&o);
    else
        base_discard(&o);
    nilu_text_free(c->nl, text);
    return status;
}

static nilu_status add_way_back(const cli_site *s, bool update)
{
    nilu_tensor *param[1024], *grad[1024];
    if (update)
        return nilu_minimise(s->loss, 0, NULL, &s->optimizer, NULL, NULL);
    int n = nilu_params_of(s->loss, (int)COUNT(param), param);
    if (n > (int)COUNT(param))
        n = (int)COUNT(param);
    return nilu_grad(s->loss, n, param, grad);
}

static nilu_status run(cli *c, const void *settings, int n, char **operand)
{
    struct graph p = *(const struct graph *)settings;
    cli_site s;
    p.building.network.model = n ? operand[0] : NULL;
    p.building.batch_usual = 64;
    nilu_status status = cli_build(c, &p.building, &s);
    if (status == NILU_OK && !p.building.forward)
        status = add_way_back(&s, p.update);
    if (status == NILU_OK)
        status = write_graph(c, s.g, &p);
    cli_site_free(&s);
    return status;
}

static const char *const story[] = {
    N_("M is a model file, or the folder of a run; without it --hidden or --layers say what the network is. The graph has the loss "
       "and the way back: for every value the error delta/... that reaches it, for every parameter its gradient grad/..."),
    NULL,
};

static const cli_operand operands[] = {
    {"M", CLI_FILE, N_("model file in YAML, or the folder of a run"), .optional = true},
    {0},
};

#define AT(field) offsetof(struct graph, field)
static const cli_option options[] = {
    CLI_BUILDING_ROWS(struct graph),
    {"format", 'f', "FORMAT", CLI_CHOICE, AT(format), N_("how it is drawn; svg needs graphviz"), "text", .group = N_("Output"), .choice = format_name},
    {"out", 'o', "FILE", CLI_FILE, AT(out), N_("write to this file instead of standard output")},
    {"forward", 'F', NULL, CLI_FLAG, AT(building.forward), N_("without loss and way back")},
    {"update", 'u', NULL, CLI_FLAG, AT(update), N_("with the update of the weights, too")},
    {"optimizer", 'O', "NAME", CLI_CHOICE, AT(building.optimizer), N_("how weights follow the gradient"), .usual = N_("that of the run or the model file, else adam"), .choice = nilu_optimizer_name},
    CLI_READING_ROWS_OF(struct graph, building.reading),
    {0},
};

static const cli_example examples[] = {
    {"nilu graph --layers \"8 relu\" --input 4 --outputs 3", N_("as text")},
    {"nilu graph model.yaml --data mnist --format svg --out model.svg", N_("as a picture")},
    {0},
};

const cli_command command_graph = {
    .name = "graph", .about = N_("Draws a model's graph, the way there and the way back"), .story = story, .operands = operands,
    .options = options, .common = CLI_QUIET | CLI_SEED, .examples = examples, .run = run,
};
