/* Options that are text: of augmentation, of the size and colour of pictures, of columns, of the attributes of ops. The first
 * byte says which, in the order in which they stand here. */
#include "fuzz/fuzz.h"

#include "data/augment.h"
#include "graph/graph.h"

static const unsigned char picture[] = {0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6, 7, 8,
                                        9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 9, 8, 7, 6, 5, 4};
static const char table[] = "length,width,colour,kind\n1,2,red,a\n3.5,,blue,b\n2,7,red,a\n4,1,green,b\n5,5,blue,a\n";

static void augment(nilu *nl, const char *text)
{
    nilu_data *data = NULL;
    nilu_data_options o = NILU_DATA_DEFAULT;
    data_augment a;
    o.task = NILU_TASK_NONE;
    if (nilu_data_open(nl, fuzz_file("t.idx", picture, sizeof picture), &o, &data) != NILU_OK)
        abort();
    nilu_status status = data_augment_read(nl, data, text, &a);
    fuzz_judge(nl, status);
    if (status == NILU_OK) {
        int64_t index[2] = {0, 1}, features = nilu_data_about(data)->features, room = data_augment_room(data);
        float *x = calloc((size_t)(2 * features), sizeof *x), *at = calloc((size_t)room + 1, sizeof *at);
        if (!x || !at)
            abort();
        data_augment_batch(data, &a, 3, 1, index, 2, x, at);
        if (a.mixup > 0)
            data_augment_mix(data, &a, 3, 1, 0, 2, x, NULL, NULL, NULL);
        free(at);
        free(x);
    }
    nilu_data_free(data);
}

static void columns(nilu *nl, const char *text, int which)
{
    nilu_data *data = NULL;
    nilu_data_options o = NILU_DATA_DEFAULT;
    const char **option[] = {&o.target, &o.ignore, &o.keep, &o.encoder};
    *option[which] = text;
    nilu_status status = nilu_data_open(nl, fuzz_file("t.csv", table, sizeof table - 1), &o, &data);
    fuzz_judge(nl, status);
    nilu_data_free(data);
}

/* What was read is printed, and read back. */
static void attributes(nilu *nl, const nilu_op *op, const char *text)
{
    enum { ROOM = 1 << 12 };
    static _Alignas(16) char attr[ROOM];
    if (op->attr_size > ROOM)
        abort();
    memset(attr, 0, ROOM);
    fuzz_judge(nl, graph_attr_parse(nl, op, text, attr));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (n < 2)
        return 0;
    nilu *nl = fuzz_context(n, 16 << 20);
    char *text = fuzz_text(bytes + 1, n - 1);
    const int ops = graph_op_count(), which = bytes[0] % (4 + ops);
    if (which == 0)
        augment(nl, text);
    else if (which < 4)
        columns(nl, text, which - 1);
    else
        attributes(nl, graph_op_at(which - 4), text);
    free(text);
    fuzz_end(nl);
    return 0;
}
