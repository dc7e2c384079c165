/* Another size: the picture is made to cover the one that is wanted, without changing its proportions, and its middle is
 * cut out. Made smaller, a pixel is the mean of the area that it covers; made larger, it is interpolated between the four
 * around it. All of it is whole numbers, rounded once: the same bytes everywhere.
 *
 * An axis of d pixels is scaled by n/d (n: the wanted length of the axis that fits tightly). Measured in 1/2n of a pixel
 * of the file, a pixel of the result is 2d long, and the cut begins at (length n - wanted d). */
#include "data/picture.h"

#include <string.h>

typedef struct axis {
    int64_t n, d;    /* the scale */
    int64_t length;  /* pixels of the file */
    int64_t start;   /* of the cut */
    bool smaller;
} axis;

static axis axis_of(int length, int wanted, int64_t n, int64_t d)
{
    axis a = {n, d, length, length * n - wanted * d, n <= d};
    if (n == d) /* nothing is scaled: whole pixels are cut out */
        a.start -= a.start % (2 * n);
    return a;
}

/* What pixel i of the result is made of: pixels first .. last of the file. */
static void taps(const axis *a, int i, int64_t *first, int64_t *last)
{
    int64_t unit = 2 * a->n, from = a->start + 2 * a->d * i;
    if (a->smaller) {
        *first = from / unit;
        *last = (from + 2 * a->d - 1) / unit;
        return;
    }
    int64_t centre = from + a->d - a->n; /* relative to the centre of the file's first pixel */
    *first = centre < 0 ? -1 : centre / unit;
    *last = *first + 1;
}

/* The share of pixel k in it; all shares add up to whole(a). */
static int64_t share(const axis *a, int i, int64_t k)
{
    int64_t unit = 2 * a->n, from = a->start + 2 * a->d * i;
    if (a->smaller) {
        int64_t low = k * unit > from ? k * unit : from, end = from + 2 * a->d,
                high = (k + 1) * unit < end ? (k + 1) * unit : end;
        return high - low;
    }
    int64_t away = from + a->d - a->n - k * unit; /* of its centre */
    return unit - (away < 0 ? -away : away);
}

static int64_t whole(const axis *a)
{
    return a->smaller ? 2 * a->d : 2 * a->n;
}

static int64_t within(const axis *a, int64_t k)
{
    return k < 0 ? 0 : k >= a->length ? a->length - 1 : k;
}

nilu_status picture_fit(picture_decoder *d, picture_look look, picture_form form, unsigned char *to)
{
    int channels = form.channels;
    bool tall = (int64_t)form.height * look.width >= (int64_t)form.width * look.height; /* the height fits tightly */
    int64_t n = tall ? form.height : form.width, of = tall ? look.height : look.width;
    axis down = axis_of(look.height, form.height, n, of), across = axis_of(look.width, form.width, n, of);
    size_t line = (size_t)look.width * (size_t)channels, plane = (size_t)form.height * (size_t)form.width;
    uint64_t all = (uint64_t)whole(&down) * (uint64_t)whole(&across);
    if (!picture_room(d, &d->sums, &d->sum_room, line * sizeof *d->sums))
        return NILU_E_NO_MEMORY;
    for (int y = 0; y < form.height; y++) {
        int64_t first, last;
        memset(d->sums, 0, line * sizeof *d->sums);
        taps(&down, y, &first, &last);
        for (int64_t k = first; k <= last; k++) {
            const unsigned char *row = d->pixels + (size_t)within(&down, k) * line;
            uint32_t weight = (uint32_t)share(&down, y, k); /* in all at most 2 * PICTURE_SIDE */
            for (size_t i = 0; i < line; i++)
                d->sums[i] += weight * row[i];
        }
        for (int x = 0; x < form.width; x++) {
            uint64_t sum[PICTURE_CHANNELS] = {0};
            taps(&across, x, &first, &last);
            for (int64_t k = first; k <= last; k++)
                for (int c = 0; c < channels; c++)
                    sum[c] += (uint64_t)share(&across, x, k) * d->sums[within(&across, k) * channels + c];
            for (int c = 0; c < channels; c++)
                to[(size_t)c * plane + (size_t)(y * form.width + x)] = (unsigned char)((sum[c] + all / 2) / all);
        }
    }
    return NILU_OK;
}
