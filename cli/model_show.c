/* `nilu model show`: the file of a model that comes with nilu, to be read, or changed and trained. */
#include "cli.h"

#include <string.h>

static const char *model_name(int i)
{
    return nilu_model_catalogue(i) ? nilu_model_catalogue(i)->name : NULL;
}

static nilu_status run(cli *c, const void *settings, int n, char **operand)
{
    (void)settings;
    (void)n;
    nilu_model *model = NULL;
    char path[4400], *text = NULL;
    size_t length = 0;
    NILU_TRY(nilu_model_known(c->nl, operand[0], c->data_dir, &model));
    nilu_model_free(model);
    snprintf(path, sizeof path, "%s/models/%s.yaml", c->data_dir, operand[0]);
    NILU_TRY(base_read_file(c->nl, path, 1 << 20, &text, &length));
    nilu_status status = NILU_OK;
    if (c->json)
        status = cli_emit(c, "result", json_pack("{s:s, s:s}", "file", path, "text", text));
    else
        fwrite(text, 1, length, stdout);
    base_free(c->nl, text);
    return status;
}

static const cli_operand operands[] = {
    {"NAME", CLI_CHOICE, N_("the model"), .choice = model_name},
    {0},
};

static const cli_field fields[] = {
    {"result", "file", "text", N_("where it stands")},
    {"result", "text", "text", N_("what it says, in YAML")},
    {0},
};

static const cli_example examples[] = {
    {"nilu model show resnet20 > mine.yaml", N_("begin a model of your own; train it with --model mine.yaml")},
    {0},
};

const cli_command command_model_show = {
    .name = "model show", .about = N_("Shows the file of a model that comes with nilu"), .operands = operands, .common = CLI_JSON,
    .fields = fields, .examples = examples, .run = run,
};
