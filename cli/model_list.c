/* `nilu model list`: the models that come with nilu. */
#include "cli.h"

static nilu_status list_json(cli *c)
{
    json_t *models = json_array();
    for (int i = 0; nilu_model_catalogue(i); i++)
        json_array_append_new(models, json_pack("{s:s, s:s}", "name", nilu_model_catalogue(i)->name, "about", nilu_model_catalogue(i)->about));
    return cli_emit(c, "result", json_pack("{s:o}", "models", models));
}

static nilu_status run(cli *c, const void *settings, int n, char **operand)
{
    (void)settings;
    (void)n;
    (void)operand;
    if (c->json)
        return list_json(c);
    cli_table t = cli_table_new(c->nl, "ll");
    cli_cell(&t, "%s", _(N_("name")));
    cli_cell(&t, "%s", _(N_("what it is")));
    for (int i = 0; nilu_model_catalogue(i); i++) {
        cli_cell(&t, "%s", nilu_model_catalogue(i)->name);
        cli_cell(&t, "%s", _(nilu_model_catalogue(i)->about));
    }
    return cli_table_print(&t, &c->out, 0);
}

static const cli_field fields[] = {
    {"result", "models", "objects", N_("name and about of each model")},
    {0},
};

static const cli_example examples[] = {
    {"nilu train mnist --model lenet5", N_("one of them, trained")},
    {0},
};

const cli_command command_model_list = {
    .name = "model list", .about = N_("Lists the models that come with nilu"), .common = CLI_JSON, .fields = fields, .examples = examples, .run = run,
};
