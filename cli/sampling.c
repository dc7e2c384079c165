/* Opening a run for forensics, and the sample that the line names. */
#include "cli.h"

nilu_status cli_case_open(cli *c, const char *folder, nilu_dtype dtype, cli_case *k)
{
    nilu_data_options opened;
    nilu_inquiry_options o = NILU_INQUIRY_DEFAULT;
    *k = (cli_case){.c = c};
    NILU_TRY(cli_data_options(c, NULL, &opened));
    o.dtype = dtype;
    o.opened = &opened;
    NILU_TRY(nilu_inquiry_open(c->nl, folder, &o, &k->at));
    k->info = nilu_inquiry_about(k->at);
    return NILU_OK;
}

nilu_status cli_case_look(cli_case *k, const cli_sampling *s)
{
    return nilu_inquiry_sample(k->at, s->sample, s->truth, s->accused, &k->sample);
}

void cli_case_free(cli_case *k)
{
    nilu_inquiry_free(k->at);
}

static const char *const starts[] = {"loss", "gap"};

const char *cli_start_name(int i)
{
    return i >= 0 && i < (int)COUNT(starts) ? starts[i] : NULL;
}
