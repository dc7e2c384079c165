/* A picture in the terminal. With colours, a half block shows two pixels one above the other, the upper in the foreground's
 * colour and the lower in the background's; without, a shade stands for the mean of the two. */
#include "cli.h"

typedef struct picture {
    const cli_screen *s;
    const unsigned char *pixels;
    int height, width, channels, every; /* every: pixels that become one, in both directions */
} picture;

typedef struct colour {
    int r, g, b;
} colour;

/* The mean of the block of pixels at (row, column) of the picture as it is shown; black below its end. */
static colour mean(const picture *p, int row, int column)
{
    int sum[3] = {0}, n = 0;
    for (int y = row * p->every; y < (row + 1) * p->every && y < p->height; y++) {
        for (int x = column * p->every; x < (column + 1) * p->every && x < p->width; x++, n++) {
            const unsigned char *at = p->pixels + ((size_t)y * (size_t)p->width + (size_t)x) * (size_t)p->channels;
            for (int k = 0; k < 3; k++)
                sum[k] += at[p->channels == 3 ? k : 0];
        }
    }
    return n ? (colour){sum[0] / n, sum[1] / n, sum[2] / n} : (colour){0, 0, 0};
}

/* Nearest of the 256 colours: a grey ramp of 24 steps for greys, else a cube of 6 levels a side. */
static int of_256(colour c)
{
    int spread = (c.r > c.g ? c.r - c.g : c.g - c.r) + (c.g > c.b ? c.g - c.b : c.b - c.g);
    if (spread < 12)
        return c.g < 4 ? 16 : c.g > 246 ? 231 : 232 + (c.g > 242 ? 23 : (c.g - 3) / 10);
    int r = (c.r * 5 + 127) / 255, g = (c.g * 5 + 127) / 255, b = (c.b * 5 + 127) / 255;
    return 16 + 36 * r + 6 * g + b;
}

static void paint(const picture *p, colour c, int layer) /* layer: 38 foreground, 48 background */
{
    if (p->s->colours > 256)
        fprintf(p->s->file, "\033[%d;2;%d;%d;%dm", layer, c.r, c.g, c.b);
    else
        fprintf(p->s->file, "\033[%d;5;%dm", layer, of_256(c));
}

static const char *shade(const picture *p, int level) /* 0 to 255 */
{
    static const char *const blocks[] = {" ", "░", "▒", "▓", "█"};
    static const char *const letters[] = {" ", ".", ":", "-", "=", "+", "*", "#", "%", "@"};
    return p->s->utf8 ? blocks[(level * 4 + 127) / 255] : letters[(level * 9 + 127) / 255];
}

void cli_picture(const cli_screen *s, const unsigned char *pixels, int height, int width, int channels, int indent)
{
    picture p = {s, pixels, height, width, channels, 1};
    int room = s->columns - indent;
    while ((width + p.every - 1) / p.every > room)
        p.every++;
    int rows = (height + p.every - 1) / p.every, columns = (width + p.every - 1) / p.every;
    for (int row = 0; row < rows; row += 2) {
        fprintf(s->file, "%*s", indent, "");
        for (int column = 0; column < columns; column++) {
            colour upper = mean(&p, row, column), lower = row + 1 < rows ? mean(&p, row + 1, column) : upper;
            if (s->colours && s->utf8) {
                paint(&p, upper, 38);
                paint(&p, lower, 48);
                fputs("▀", s->file);
            } else {
                fputs(shade(&p, (upper.r + upper.g + upper.b + lower.r + lower.g + lower.b) / 6), s->file);
            }
        }
        fprintf(s->file, "%s\n", s->colours && s->utf8 ? "\033[0m" : "");
    }
}
