/* `nilu data list`: the sets that nilu knows by name. */
#include "cli.h"

static nilu_status list_json(cli *c)
{
    json_t *sets = json_array();
    for (int i = 0; nilu_data_catalogue(i); i++) {
        const nilu_dataset *d = nilu_data_catalogue(i);
        json_array_append_new(sets, json_pack("{s:s, s:s, s:s, s:s}", "name", d->name, "about", d->about, "licence", d->licence,
                                              "source", d->source));
    }
    return cli_emit(c, "result", json_pack("{s:o}", "sets", sets));
}

static nilu_status run(cli *c, const void *settings, int n, char **operand)
{
    (void)settings;
    (void)n;
    (void)operand;
    if (c->json)
        return list_json(c);
    cli_table t = cli_table_new(c->nl, "lll");
    cli_cell(&t, "%s", _(N_("name")));
    cli_cell(&t, "%s", _(N_("what it is")));
    cli_cell(&t, "%s", _(N_("licence")));
    for (int i = 0; nilu_data_catalogue(i); i++) {
        cli_cell(&t, "%s", nilu_data_catalogue(i)->name);
        cli_cell(&t, "%s", _(nilu_data_catalogue(i)->about));
        cli_cell(&t, "%s", nilu_data_catalogue(i)->licence);
    }
    return cli_table_print(&t, &c->out, 0);
}

static const cli_field fields[] = {
    {"result", "sets", "objects", N_("name, about, licence and source of each set; source is empty if it comes with nilu")},
    {0},
};

const cli_command command_data_list = {
    .name = "data list", .about = N_("Lists the data sets that nilu knows by name"), .common = CLI_JSON, .fields = fields, .run = run,
};
