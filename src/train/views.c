/* Pictures are judged by several views of each: as it is and mirrored, and both also moved by one place. The views of a batch
 * stand one after another in a larger batch, which is possible because what judges looks at each sample alone. */
#include "train/train.h"

static const char *const names[] = {[NILU_VIEWS_ONE] = "none", [NILU_VIEWS_FLIP] = "flip", [NILU_VIEWS_FLIP_SHIFT] = "flip+shift"};

const char *nilu_views_name(int i)
{
    return i >= 0 && i < (int)COUNT(names) ? names[i] : NULL;
}

/* x moved down and right by `by` places, of axes `rows` and the next; the edge is repeated. */
static nilu_tensor *moved(nilu_tensor *x, int rows, int by)
{
    for (int axis = rows; axis <= rows + 1 && x; axis++) {
        const int64_t n = x->shape.dim[axis];
        x = nilu_pad_mode(x, axis, by > 0, by < 0, NILU_PAD_REPLICATE);
        x = nilu_slice(x, axis, by < 0, by < 0 ? n + 1 : n, 1);
    }
    return x;
}

nilu_tensor *train_views(const train_net *net, nilu_tensor *x)
{
    const nilu_data_info *d = net->data;
    nilu_tensor *view[6];
    int n = 0;
    if (net->views == NILU_VIEWS_ONE || !x)
        return x;
    nilu_shape given = x->shape; /* a sample is what the data say, whatever the model calls it */
    const int rows = d->planes ? 2 : 1;
    view[n++] = nilu_reshape(x, d->planes ? NILU_SHAPE(given.dim[0], d->channels, d->height, d->width)
                                          : NILU_SHAPE(given.dim[0], d->height, d->width, d->channels));
    for (int by = -1; by <= 1 && net->views == NILU_VIEWS_FLIP_SHIFT; by += 2)
        view[n++] = moved(view[0], rows, by);
    for (int i = 0, plain = n; i < plain; i++)
        view[n++] = nilu_flip(view[i], NILU_AXES(rows + 1));
    given.dim[0] *= n;
    return nilu_reshape(nilu_concat(n, view, 0), given);
}

nilu_tensor *train_views_mean(const train_net *net, nilu_tensor *y, int64_t n)
{
    const int each = net->views == NILU_VIEWS_FLIP_SHIFT ? 3 : 1; /* views, and as many mirrored ones */
    nilu_tensor *sum = NULL;
    if (net->views == NILU_VIEWS_ONE)
        return y;
    for (int i = 0; i < 2 * each; i++) {
        const double weight = each == 1 ? 0.5 : i % each == 0 ? 0.25 : 0.125;
        nilu_tensor *part = nilu_scale(nilu_slice(y, 0, i * n, (i + 1) * n, 1), weight);
        sum = sum ? nilu_add(sum, part) : part;
    }
    return sum;
}
