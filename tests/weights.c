/* Prints the SHA-256 of all weights after some steps of each net of weights.h: script/neon compares what instruction sets and
 * numbers of threads print, and script/races watches the threads meanwhile.
 *     weights [instruction set [threads [steps [net [batch]]]]]      net: its name alone; batch: of it */
#include "weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    nilu_options options = NILU_OPTIONS_DEFAULT;
    options.isa = argc > 1 ? argv[1] : NULL;
    options.threads = argc > 2 ? atoi(argv[2]) : 1;
    const int steps = argc > 3 ? atoi(argv[3]) : 3;
    nilu *nl = nilu_new(&options, NULL);
    bool good = nl != NULL;
    if (nl && options.isa && strcmp(nilu_isa(nl), options.isa) != 0) {
        fprintf(stderr, "weights: there is no %s here\n", options.isa);
        good = false;
    }
    for (size_t i = 0; i < sizeof weights_nets / sizeof *weights_nets && good; i++) {
        char hex[65];
        if (argc > 4 && strcmp(argv[4], weights_nets[i].name) != 0)
            continue;
        good = weights_train(nl, &weights_nets[i], argc > 5 ? atoi(argv[5]) : 0, steps, hex);
        if (good)
            printf("%s %s\n", weights_nets[i].name, hex);
        else
            fprintf(stderr, "weights: %s: %s\n", weights_nets[i].name, nilu_errmsg(nl));
    }
    nilu_free(nl);
    return good ? 0 : 1;
}
