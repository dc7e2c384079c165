/* `nilu version`: which nilu this is, and what it computes with here. */
#include "cli.h"

static nilu_status run(cli *c, const void *settings, int n, char **operand)
{
    (void)settings;
    (void)n;
    (void)operand;
    if (c->json)
        return cli_emit(c, "result", json_pack("{s:s, s:s, s:i}", "version", NILU_VERSION, "isa", nilu_isa(c->nl), "threads",
                                               nilu_threads(c->nl)));
    printf("nilu %s\n", NILU_VERSION);
    printf(_(N_("computes with %s, %d threads\n")), nilu_isa(c->nl), nilu_threads(c->nl));
    return NILU_OK;
}

static const cli_field fields[] = {
    {"result", "version", "text", N_("version of nilu")},
    {"result", "isa", "text", N_("instruction set that is used here")},
    {"result", "threads", "number", N_("threads that are used if nobody says otherwise")},
    {0},
};

const cli_command command_version = {
    .name = "version", .about = N_("Says which nilu this is and what it computes with"), .common = CLI_JSON,
    .fields = fields, .run = run,
};
