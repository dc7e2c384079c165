/* Interruption. The first SIGINT, SIGTERM or SIGHUP asks the work to stop where it can be continued; the second ends the
 * process at once, as if nobody had listened. */
#include "cli.h"

#include <signal.h>
#include <string.h>

static volatile sig_atomic_t asked;

static void ask(int signal)
{
    asked = signal; /* SA_RESETHAND: the next one is not caught */
}

void cli_signals_catch(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction act = {.sa_handler = ask, .sa_flags = SA_RESETHAND | SA_RESTART}, old;
    sigemptyset(&act.sa_mask);
    for (size_t i = 0; i < COUNT(signals); i++) {
        /* What the parent ignores, as nohup does with SIGHUP, stays ignored. */
        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(signals[i], &act, NULL);
    }
}

const volatile sig_atomic_t *cli_signal(void)
{
    return &asked;
}
