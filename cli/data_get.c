/* `nilu data get`: brings a set that nilu knows by name onto this machine. */
#include "cli.h"

struct get {
    const char *from, *to;
};

typedef struct download {
    cli *c;
    cli_progress bar;
    const char *file;
} download;

static bool on_bytes(void *user, const char *file, uint64_t done, uint64_t total)
{
    download *d = user;
    cli_figure a, b;
    char text[256], name[128];
    if (total && d->c->err.terminal && !d->c->quiet) {
        snprintf(text, sizeof text, "%s  %s / %s", cli_clean(file, name, sizeof name), cli_bytes((double)done, a), cli_bytes((double)total, b));
        cli_progress_show(&d->bar, (double)done / (double)total, text);
    }
    return *cli_signal() == 0;
}

static const char *set_name(int i)
{
    return nilu_data_catalogue(i) ? nilu_data_catalogue(i)->name : NULL;
}

static nilu_status get(cli *c, const void *settings, int n, char **operand)
{
    const struct get *s = settings;
    nilu_get_options o = NILU_GET_DEFAULT;
    download d = {.c = c, .bar = {.screen = &c->err}};
    char *folder = NULL;
    (void)n;
    o.from = s->from;
    o.cache_dir = s->to ? s->to : c->cache_dir;
    o.progress = on_bytes;
    o.user = &d;
    cli_signals_catch();
    nilu_status status = nilu_data_get(c->nl, operand[0], &o, &folder);
    cli_progress_clear(&d.bar);
    if (status == NILU_OK && c->json) {
        status = cli_emit(c, "result", json_pack("{s:s, s:s}", "name", operand[0], "folder", folder));
    } else if (status == NILU_OK) {
        printf(_(N_("%s is in %s\n")), operand[0], folder);
        cli_note(c, _(N_("next       nilu train %s")), operand[0]);
    }
    nilu_text_free(c->nl, folder);
    return status;
}

static const cli_operand get_operands[] = {
    {"NAME", CLI_CHOICE, N_("name of the set; nilu data list lists them"), .choice = set_name},
    {0},
};

static const cli_option get_options[] = {
    {"from", 0, "PLACE", CLI_DATA, offsetof(struct get, from), N_("folder or http(s) address that has the set's files"), .usual = N_("Debian's package where it is installed, else the set's own source"), .group = N_("Places")},
    {"to", 0, "FOLDER", CLI_FOLDER, offsetof(struct get, to), N_("keep the set in this folder"), .usual = N_("nilu in the user's cache")},
    {0},
};

static const cli_field get_fields[] = {
    {"result", "name", "text", N_("name of the set")},
    {"result", "folder", "text", N_("where it is now")},
    {0},
};

static const char *const get_story[] = {
    N_("Each file is checked by the SHA-256 of its unpacked bytes and put in place whole. Files that are there already are checked "
       "and kept."),
    NULL,
};

static const cli_example get_examples[] = {
    {"nilu data get mnist", N_("60,000 + 10,000 handwritten digits")},
    {"nilu data get mnist --from /media/usb/mnist", N_("from a folder, without a network")},
    {0},
};

const cli_command command_data_get = {
    .name = "data get", .about = N_("Brings a data set onto this machine, checked by its hash"), .story = get_story,
    .operands = get_operands, .options = get_options, .common = CLI_JSON | CLI_QUIET, .fields = get_fields,
    .examples = get_examples, .run = get,
};
