/* Alarms, as they are told. */
#include "cli.h"

static const char *const levels[] = {N_("note"), N_("warning"), N_("fault")};

const char *cli_alarm_level(nilu_alarm_level level)
{
    return _(levels[level]);
}

json_t *cli_alarm_json(const nilu_alarm *a)
{
    return json_pack("{s:s, s:s, s:I, s:s, s:o, s:o, s:s, s:s, s:s}", "code", a->code, "level", levels[a->level], "step",
                     (json_int_t)a->step, "where", a->where, "value", cli_real(a->value), "limit", cli_real(a->limit), "evidence",
                     a->evidence, "cause", a->cause, "remedy", a->remedy);
}

void cli_alarm_say(const cli *c, const nilu_alarm *a)
{
    static const cli_style styles[] = {CLI_DIM, CLI_YELLOW, CLI_RED};
    if (c->quiet)
        return;
    fprintf(c->err.file, _(N_("%s%s %s%s, step %lld: %s; cause: %s; remedy: %s\n")), cli_paint(&c->err, styles[a->level]),
            cli_alarm_level(a->level), a->code, cli_paint(&c->err, CLI_PLAIN), (long long)a->step, a->evidence, a->cause, a->remedy);
}
