/* Pictures in files: every kind of PNG and JPEG as another program reads it, folders of them, CIFAR's batch files, and all
 * that is wrong with a file said in one sentence. */
#include "support/files.h"

#include "data/data.h"
#include "support/sets.h"
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES NILU_SOURCE_DIR "/tests/files"
#define PICTURES FILES "/pictures"
#define CIFAR FILES "/cifar"

static const nilu_data_options defaults = NILU_DATA_DEFAULT;

static size_t read_file(const char *path, unsigned char *to, size_t room)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("%s is missing", path);
    size_t n = fread(to, 1, room, f);
    fclose(f);
    return n;
}

/* Copies one of the pictures to a name below the test's folder, whose folders are made. */
static void put_picture(const char *picture, const char *name)
{
    unsigned char bytes[8192];
    char folder[256];
    size_t n = read_file(picture, bytes, sizeof bytes);
    assert_true(n < sizeof bytes);
    for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(folder, sizeof folder, "%.*s", (int)(slash - name), name);
        mkdir(files_path(folder), 0700);
    }
    files_put(name, bytes, n);
}

/* ---- one file */

/* A picture as nilu shows it against NAME.raw; `near`: how far a level may be off. */
static void compare(nilu *nl, const char *name, int near)
{
    unsigned char raw[1024], mine[1024];
    char path[512], beside[512];
    snprintf(path, sizeof path, "%s/%s", PICTURES, name);
    snprintf(beside, sizeof beside, "%s/%.*s.raw", PICTURES, (int)(strrchr(name, '.') - name), name);
    size_t n = read_file(beside, raw, sizeof raw) - 3;
    nilu_data *d = support_opened(nl, path, NULL);
    const nilu_data_info *i = nilu_data_about(d);
    if (i->height != raw[0] || i->width != raw[1] || i->channels != raw[2])
        fail_msg("%s: got %d x %d x %d, expected %d x %d x %d", name, i->height, i->width, i->channels, raw[0], raw[1], raw[2]);
    assert_int_equal(i->features, n);
    assert_int_equal(i->count[NILU_TRAIN], 1);
    assert_true(i->planes);
    assert_ok(nl, nilu_data_picture(d, NILU_TRAIN, 0, mine));
    for (size_t k = 0; k < n; k++)
        if (abs(mine[k] - raw[3 + k]) > near)
            fail_msg("%s: byte %zu is %d, expected %d", name, k, mine[k], raw[3 + k]);
    nilu_data_free(d);
}

static void every_kind(void **state)
{
    DIR *dir = opendir(PICTURES);
    int kinds = 0;
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        const char *dot = strrchr(e->d_name, '.');
        if (e->d_name[0] == '.' || strncmp(e->d_name, "bomb", 4) == 0 || strcmp(dot, ".raw") == 0)
            continue;
        compare(*state, e->d_name, strcmp(dot, ".png") == 0 ? 0 : 2); /* decoders of JPEG may round differently */
        kinds++;
    }
    closedir(dir);
    assert_int_equal(kinds, 19);
}

static void bombs(void **state)
{
    support_refused(*state, PICTURES "/bomb.png", NULL, NILU_E_UNSUPPORTED, "bomb.png: has 60000 x 60000 pixels");
    support_refused(*state, PICTURES "/bomb.jpg", NULL, NILU_E_UNSUPPORTED, "bomb.jpg: has 65500 x 65500 pixels");
}

/* Cut off anywhere, or changed anywhere: a sentence, or a picture of the same size; never anything else. */
static void damaged(void **state)
{
    static const char *const names[] = {"rgb.png", "interlaced.png", "palette-alpha.png", "colour.jpg", "progressive.jpg", "inks.jpg", "restarts.jpg"};
    unsigned char bytes[8192], broken[8192];
    nilu *nl = *state;
    for (size_t k = 0; k < COUNT(names); k++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", PICTURES, names[k]);
        size_t n = read_file(path, bytes, sizeof bytes), end = n - (strstr(names[k], "png") ? 12 : 2); /* all pixels are before */
        for (size_t cut = 1; cut < end; cut++) {
            nilu_data *d = NULL;
            nilu_status status = nilu_data_open(nl, files_put("cut.png", bytes, cut), NULL, &d);
            if (cut >= 8 && status == NILU_OK) {
                /* the last bytes of a PNG's data may be the sum over them */
                if (!strstr(names[k], "png") || cut + 8 < end)
                    fail_msg("%s: %zu of its %zu bytes are enough", names[k], cut, n);
            } else if (cut >= 8) {
                assert_contains(nilu_errmsg(nl), "cut.png: is a damaged");
                assert_int_equal(status, NILU_E_FILE_CORRUPT);
            }
            nilu_data_free(d);
        }
        for (uint64_t i = 0; i < 400; i++) {
            uint32_t r[4];
            nilu_data *d = NULL;
            memcpy(broken, bytes, n);
            base_philox(7, k, i, r);
            for (uint32_t c = 0; c <= r[3] % 3; c++)
                broken[r[c] % n] = (unsigned char)(r[3] >> (8 * c));
            if (nilu_data_open(nl, files_put("changed.png", broken, n), NULL, &d) != NILU_OK)
                assert_contains(nilu_errmsg(nl), "changed.png:");
            nilu_data_free(d);
        }
    }
}

static void strange_files(void **state)
{
    nilu *nl = *state;
    put_picture(PICTURES "/rgb.png", "odd/a/one.jpg"); /* a PNG that is called JPEG */
    put_picture(PICTURES "/colour.jpg", "odd/b/two.PNG");
    assert_int_equal(mkdir(files_path("odd/a/x.png"), 0700), 0); /* a folder that is called PNG */
    files_text("odd/a/notes.txt", "left out");
    files_text("odd/b/.hidden.png", "");
    assert_int_equal(symlink("two.PNG", files_path("odd/b/link.png")), 0);
    nilu_data *d = support_opened(nl, files_path("odd"), NULL);
    assert_int_equal(nilu_data_about(d)->count[NILU_TRAIN], 3);
    assert_contains(nilu_data_about(d)->note[0], "Left out were 2 files");
    nilu_data_free(d);
    files_text("odd/b/words.png", "these are words");
    support_refused(nl, files_path("odd"), NULL, NILU_E_UNSUPPORTED, "odd/b/words.png: begins neither as a PNG nor as a JPEG file does");
    files_text("odd/b/words.png", "");
    support_refused(nl, files_path("odd"), NULL, NILU_E_FILE_CORRUPT, "odd/b/words.png: is empty");
    unlink(files_path("odd/b/words.png"));
    assert_int_equal(symlink("nowhere", files_path("odd/a/dangling.jpg")), 0);
    support_refused(nl, files_path("odd"), NULL, NILU_E_FILE_NOT_FOUND, "odd/a/dangling.jpg: cannot be opened");
    unlink(files_path("odd/a/dangling.jpg"));
    assert_int_equal(mkfifo(files_path("odd/a/pipe.jpg"), 0600), 0);
    support_refused(nl, files_path("odd"), NULL, NILU_E_FILE_READ, "odd/a/pipe.jpg: is not a regular file");
}

/* ---- folders */

static void classes_and_parts(void **state)
{
    static const char *const files[] = {"set/train/b/2.png", "set/train/b/10.png", "set/train/B/1.png", "set/train/a c/1.png",
                                        "set/val/b/1.png",   "set/test/B/9.png",   "set/test/a c/3.png"};
    static const char *const order[] = {"train/B/1.png, B", "train/a c/1.png, a c", "train/b/10.png, b", "train/b/2.png, b"};
    nilu *nl = *state;
    for (size_t i = 0; i < COUNT(files); i++)
        put_picture(i % 2 ? PICTURES "/rgb.png" : PICTURES "/interlaced.png", files[i]);
    assert_int_equal(mkdir(files_path("set/train/none"), 0700), 0);
    nilu_data *d = support_opened(nl, files_path("set"), NULL);
    const nilu_data_info *i = nilu_data_about(d);
    assert_int_equal(i->task, NILU_TASK_CLASSES);
    assert_int_equal(i->outputs, 3); /* in the order of bytes */
    assert_string_equal(i->class_names[0], "B");
    assert_string_equal(i->class_names[1], "a c");
    assert_string_equal(i->class_names[2], "b");
    assert_contains(i->note[0], "Left out were 1 folders without pictures, the first \"none\"");
    assert_int_equal(i->count[NILU_TRAIN], 4);
    assert_int_equal(i->count[NILU_VALIDATION], 1);
    assert_int_equal(i->count[NILU_TEST], 2);
    for (int64_t k = 0; k < 4; k++) {
        char *text = nilu_data_describe(d, NILU_TRAIN, k);
        assert_string_equal(text, order[k]);
        nilu_text_free(nl, text);
    }
    char *text = nilu_data_describe(d, NILU_VALIDATION, 0);
    assert_string_equal(text, "val/b/1.png, b");
    nilu_text_free(nl, text);
    int32_t label[2];
    assert_ok(nl, nilu_data_batch(d, NILU_TEST, NULL, 2, NULL, label, NULL));
    assert_int_equal(label[0], 0);
    assert_int_equal(label[1], 1);
    nilu_data_free(d);
    put_picture(PICTURES "/rgb.png", "set/test/c/1.png");
    support_refused(nl, files_path("set"), NULL, NILU_E_RANGE, "set/test/c: \"c\" is none of the 3 classes");
    put_picture(PICTURES "/rgb.png", "alone/only/1.png");
    support_refused(nl, files_path("alone"), NULL, NILU_E_DATA, "all samples are of one class");
}

static void colours(void **state)
{
    nilu_data_options o = defaults;
    nilu *nl = *state;
    unsigned char pixels[1024], raw[1024];
    put_picture(PICTURES "/grey.png", "grey/a/1.png");
    put_picture(PICTURES "/palette-grey.png", "grey/b/1.png");
    nilu_data *d = support_opened(nl, files_path("grey"), NULL);
    assert_int_equal(nilu_data_about(d)->channels, 1);
    nilu_data_free(d);
    o.colour = "rgb";
    d = support_opened(nl, files_path("grey"), &o);
    assert_int_equal(nilu_data_about(d)->channels, 3);
    assert_ok(nl, nilu_data_picture(d, NILU_TRAIN, 0, pixels));
    assert_int_equal(pixels[3], pixels[5]);
    nilu_data_free(d);
    put_picture(PICTURES "/rgb.png", "grey/b/2.png");
    d = support_opened(nl, files_path("grey"), NULL);
    assert_int_equal(nilu_data_about(d)->channels, 3);
    nilu_data_free(d);
    o.colour = "grey";
    d = support_opened(nl, files_path("grey"), &o);
    read_file(PICTURES "/rgb.raw", raw, sizeof raw);
    assert_ok(nl, nilu_data_picture(d, NILU_TRAIN, 2, pixels));
    for (int k = 0; k < 63; k++) {
        double luma = 0.299 * raw[3 + 3 * k] + 0.587 * raw[4 + 3 * k] + 0.114 * raw[5 + 3 * k];
        assert_true(fabs(pixels[k] - luma) <= 0.51);
    }
    nilu_data_free(d);
    o.colour = "gray";
    support_refused(nl, files_path("grey"), &o, NILU_E_USAGE, "there is no colour \"gray\"");
}

/* ---- sizes */

/* The mean of the rectangle of the picture that a pixel covers, in real numbers. */
static double area(const unsigned char *raw, double top, double left, double side, int c)
{
    double sum = 0;
    for (int y = 0; y < raw[0]; y++)
        for (int x = 0; x < raw[1]; x++) {
            double high = fmin(y + 1, top + side) - fmax(y, top), wide = fmin(x + 1, left + side) - fmax(x, left);
            if (high > 0 && wide > 0)
                sum += high * wide * raw[3 + (y * raw[1] + x) * 3 + c];
        }
    return sum / (side * side);
}

static double bilinear(const unsigned char *raw, double y, double x, int c)
{
    double sum = 0;
    y -= 0.5;
    x -= 0.5;
    for (int k = 0; k < 4; k++) {
        int row = (int)floor(y) + k / 2, column = (int)floor(x) + k % 2;
        double weight = (1 - fabs(y - row)) * (1 - fabs(x - column));
        row = row < 0 ? 0 : row >= raw[0] ? raw[0] - 1 : row;
        column = column < 0 ? 0 : column >= raw[1] ? raw[1] - 1 : column;
        sum += weight * raw[3 + (row * raw[1] + column) * 3 + c];
    }
    return sum;
}

static void sizes(void **state)
{
    static const struct {
        const char *text;
        int height, width;
    } rows[] = {{"3", 3, 3}, {"7x7", 7, 7}, {"5x6", 5, 6}, {"2x5", 2, 5}, {"16", 16, 16}, {"1", 1, 1}, {"14x18", 14, 18}, {"7x9", 7, 9}, {"7x4", 7, 4}};
    nilu *nl = *state;
    unsigned char raw[1024], mine[1024];
    read_file(PICTURES "/rgb.raw", raw, sizeof raw); /* 7 x 9 */
    for (size_t i = 0; i < COUNT(rows); i++) {
        nilu_data_options o = defaults;
        const int h = rows[i].height, w = rows[i].width;
        o.resize = rows[i].text;
        nilu_data *d = support_opened(nl, PICTURES "/rgb.png", &o);
        assert_int_equal(nilu_data_about(d)->height, h);
        assert_int_equal(nilu_data_about(d)->width, w);
        assert_ok(nl, nilu_data_picture(d, NILU_TRAIN, 0, mine));
        const double side = fmin(7.0 / h, 9.0 / w), top = (7 - h * side) / 2, left = side == 1 ? floor((9 - w) / 2.0) : (9 - w * side) / 2;
        for (int k = 0; k < h * w * 3; k++) {
            double y = top + (k / 3 / w) * side, x = left + (k / 3 % w) * side;
            double want = side >= 1 ? area(raw, y, x, side, k % 3) : bilinear(raw, y + side / 2, x + side / 2, k % 3);
            if (!(fabs(mine[k] - want) <= 0.5001))
                fail_msg("%s: byte %d is %d, expected %g", rows[i].text, k, mine[k], want);
        }
        nilu_data_free(d);
    }
}

static void sizes_that_differ(void **state)
{
    static const char *const wrong[] = {"0", "x", "3x", "3x4x5", "4097", "-3", "3 x 4", ""};
    nilu *nl = *state;
    nilu_data_options o = defaults;
    put_picture(PICTURES "/rgb.png", "mixed/a/1.png");
    o.resize = "4x5";
    nilu_data *d = support_opened(nl, files_path("mixed/a/1.png"), &o);
    unsigned char small[60];
    assert_ok(nl, nilu_data_picture(d, NILU_TRAIN, 0, small));
    nilu_data_free(d);
    put_picture(PICTURES "/rgb.png", "mixed/b/1.png");
    put_picture(PICTURES "/shades.jpg", "mixed/b/2.jpg");
    d = support_opened(nl, files_path("mixed"), NULL); /* all are 7 x 9 */
    nilu_data_free(d);
    unsigned char bits[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x8\0\0\0\0\x3a\x7e\x9b\x55\0\0\0\nIDATx\x9c"
                           "c`\0\0\0\2\0\1H\xaf\xa4q\0\0\0\0IEND\xae" "B`\x82";
    files_put("mixed/b/3.png", bits, sizeof bits - 1);
    support_refused(nl, files_path("mixed"), NULL, NILU_E_DATA, "mixed/a/1.png has 7 x 9 pixels, but ");
    assert_contains(nilu_errmsg(nl), "mixed/b/3.png has 1 x 1; say which size all are brought to");
    d = support_opened(nl, files_path("mixed"), &o);
    assert_int_equal(nilu_data_about(d)->features, 60);
    nilu_data_free(d);
    for (size_t i = 0; i < COUNT(wrong); i++) {
        o.resize = wrong[i];
        support_refused(nl, files_path("mixed"), &o, NILU_E_USAGE, "is no size of pictures");
    }
}

/* ---- memory, threads, models */

static void fill(nilu *nl, nilu_data *d, float *x)
{
    const nilu_data_info *i = nilu_data_about(d);
    for (int p = 0; p < NILU_PARTS; p++) {
        assert_ok(nl, nilu_data_batch(d, (nilu_part)p, NULL, i->count[p], x, NULL, NULL));
        x += i->count[p] * i->features;
    }
}

/* The same numbers whether samples are kept or read when asked for, and with any number of threads. */
static void memory_and_threads(void **state)
{
    enum { N = 40 };
    static float first[8 * 3072], x[8 * 3072];
    static const char *const places[] = {NULL, CIFAR "/ten"};
    char fingerprint[32] = "";
    (void)state;
    for (int i = 0; i < N; i++) {
        char name[64];
        snprintf(name, sizeof name, "many/%s/%d/%02d.png", i < 30 ? "train" : "test", i % 3, i);
        put_picture(i % 5 ? PICTURES "/rgb.png" : i % 2 ? PICTURES "/palette.png" : PICTURES "/full.jpg", name);
    }
    for (size_t place = 0; place < COUNT(places); place++) {
        const char *where = places[place] ? places[place] : files_path("many");
        for (int k = 0; k < 4; k++) {
            nilu_data_options o = defaults;
            nilu_options options = NILU_OPTIONS_DEFAULT;
            options.threads = k % 2 ? 3 : 1;
            nilu *own = nilu_new(&options, NULL);
            o.memory = k / 2 ? 1000 : 0;
            o.validation = 0.2;
            nilu_data *d = support_opened(own, where, &o);
            const nilu_data_info *i = nilu_data_about(d);
            size_t n = (size_t)(i->count[0] + i->count[1] + i->count[2]) * (size_t)i->features;
            assert_true(n <= COUNT(x));
            assert_int_equal(i->streamed, k / 2);
            fill(own, d, k ? x : first);
            if (k == 0)
                snprintf(fingerprint, sizeof fingerprint, "%s", i->fingerprint);
            assert_string_equal(i->fingerprint, fingerprint);
            if (k)
                assert_memory_equal(x, first, n * sizeof *x);
            nilu_data_free(d);
            nilu_free(own);
        }
    }
}

/* Each channel of the training part comes out with mean 0 and deviation 1. */
static void channels_are_scaled(void **state)
{
    nilu *nl = *state;
    nilu_data *d = support_opened(nl, PICTURES "/rgb.png", NULL);
    float x[189];
    unsigned char raw[512];
    read_file(PICTURES "/rgb.raw", raw, sizeof raw);
    assert_ok(nl, nilu_data_batch(d, NILU_TRAIN, NULL, 1, x, NULL, NULL));
    for (int c = 0; c < 3; c++) {
        double mean = 0, square = 0;
        for (int k = 0; k < 63; k++) {
            mean += raw[3 + 3 * k + c] / 63.0;
            square += raw[3 + 3 * k + c] * raw[3 + 3 * k + c] / 63.0;
        }
        for (int k = 0; k < 63; k++) /* planes */
            assert_true(fabs(x[63 * c + k] - (raw[3 + 3 * k + c] - mean) / sqrt(square - mean * mean)) < 1e-5);
    }
    nilu_data_free(d);
}

/* New pictures are read as the model's were: its size, its colours, its classes. */
static void with_a_model(void **state)
{
    nilu *nl = *state;
    nilu_data_options o = defaults;
    put_picture(PICTURES "/rgb.png", "taught/a/1.png");
    put_picture(PICTURES "/full.jpg", "taught/b/1.jpg");
    o.resize = "4";
    nilu_data *d = support_opened(nl, files_path("taught"), &o);
    char *encoder = nilu_data_encoder_text(d);
    float x[48], y[48];
    assert_ok(nl, nilu_data_batch(d, NILU_TRAIN, NULL, 1, x, NULL, NULL));
    nilu_data_free(d);
    o = defaults;
    o.encoder = encoder;
    d = support_opened(nl, PICTURES "/rgb.png", &o);
    const nilu_data_info *i = nilu_data_about(d);
    assert_int_equal(i->count[NILU_TEST], 1);
    assert_int_equal(i->features, 48);
    assert_ok(nl, nilu_data_batch(d, NILU_TEST, NULL, 1, y, NULL, NULL));
    assert_memory_equal(x, y, sizeof x);
    char *again = nilu_data_encoder_text(d);
    assert_string_equal(again, encoder);
    nilu_text_free(nl, again);
    nilu_data_free(d);
    put_picture(PICTURES "/grey.png", "asked/b/1.png");
    d = support_opened(nl, files_path("asked"), &o);
    int32_t label;
    assert_ok(nl, nilu_data_batch(d, NILU_TEST, NULL, 1, y, &label, NULL));
    assert_int_equal(label, 1);
    nilu_data_free(d);
    put_picture(PICTURES "/grey.png", "asked/z/1.png");
    support_refused(nl, files_path("asked"), &o, NILU_E_RANGE, "asked/z: \"z\" is none of the 2 classes that the model was trained on");
    o.task = NILU_TASK_NONE;
    d = support_opened(nl, files_path("asked"), &o);
    assert_int_equal(nilu_data_about(d)->count[NILU_TEST], 2);
    nilu_data_free(d);
    o.task = NILU_TASK_AUTO;
    support_refused(nl, files_text("table.csv", "a,b\n1,x\n2,y\n1,x\n2,y\n"), &o, NILU_E_DATA, "table.csv: ");
    nilu_text_free(nl, encoder);
}

/* ---- CIFAR */

static void cifar(void **state)
{
    nilu *nl = *state;
    nilu_data_options o = defaults;
    unsigned char pixels[3072];
    int32_t label;
    o.validation = 0;
    nilu_data *d = support_opened(nl, CIFAR "/ten", &o);
    const nilu_data_info *i = nilu_data_about(d);
    assert_int_equal(i->count[NILU_TRAIN], 6);
    assert_int_equal(i->count[NILU_TEST], 2);
    assert_int_equal(i->outputs, 10);
    assert_string_equal(i->class_names[8], "ship");
    for (int64_t k = 0; k < 8; k++) {
        const nilu_part part = k < 6 ? NILU_TRAIN : NILU_TEST;
        const int64_t at = k < 6 ? k : k - 6;
        assert_ok(nl, nilu_data_picture(d, part, at, pixels));
        assert_ok(nl, nilu_data_batch(d, part, &at, 1, NULL, &label, NULL));
        assert_int_equal(label, k * 3 % 10);
        for (int n = 0; n < 3072; n++) /* shown with the channels last */
            assert_int_equal(pixels[n % 1024 * 3 + n / 1024], (37 * k + 11 * n) % 251);
    }
    char *encoder = nilu_data_encoder_text(d);
    nilu_data_free(d);
    o.encoder = encoder;
    d = support_opened(nl, CIFAR "/ten", &o);
    assert_int_equal(nilu_data_about(d)->count[NILU_TEST], 2);
    nilu_data_free(d);
    support_refused(nl, CIFAR "/hundred", &o, NILU_E_RANGE, "\"fine00\" is none of the 10 classes");
    nilu_text_free(nl, encoder);
    o = defaults;
    d = support_opened(nl, CIFAR "/hundred", &o);
    assert_int_equal(nilu_data_about(d)->outputs, 100);
    assert_ok(nl, nilu_data_batch(d, NILU_TEST, NULL, 1, NULL, &label, NULL));
    assert_int_equal(label, 39);
    assert_string_equal(nilu_data_about(d)->class_names[label], "fine39");
    nilu_data_free(d);
    o.target = "coarse";
    d = support_opened(nl, CIFAR "/hundred", &o);
    assert_ok(nl, nilu_data_batch(d, NILU_TEST, NULL, 1, NULL, &label, NULL));
    assert_int_equal(label, 1);
    assert_string_equal(nilu_data_about(d)->class_names[label], "coarse01");
    nilu_data_free(d);
    o.target = "medium";
    support_refused(nl, CIFAR "/hundred", &o, NILU_E_USAGE, "CIFAR-100 has fine and coarse labels");
}

static void broken_batches(void **state)
{
    static unsigned char bytes[4 * 3073];
    nilu *nl = *state;
    size_t n = read_file(CIFAR "/ten/data_batch_1.bin", bytes, sizeof bytes);
    assert_int_equal(mkdir(files_path("ten"), 0700), 0);
    files_put("ten/data_batch_1.bin", bytes, n - 1);
    support_refused(nl, files_path("ten"), NULL, NILU_E_FILE_CORRUPT, "data_batch_1.bin: has 12291 bytes, which is no whole number of records of 3073");
    files_put("ten/data_batch_1.bin", bytes, 0);
    support_refused(nl, files_path("ten"), NULL, NILU_E_FILE_CORRUPT, "data_batch_1.bin: has 0 bytes");
    bytes[3073] = 10;
    files_put("ten/data_batch_1.bin", bytes, n);
    support_refused(nl, files_path("ten"), NULL, NILU_E_RANGE, "data_batch_1.bin: record 2 has label 10");
    bytes[3073] = 9;
    files_put("ten/data_batch_1.bin", bytes, n);
    nilu_data *d = support_opened(nl, files_path("ten"), NULL);
    assert_string_equal(nilu_data_about(d)->class_names[9], "9");
    nilu_data_free(d);
    files_text("ten/batches.meta.txt", "one\ntwo\n");
    support_refused(nl, files_path("ten"), NULL, NILU_E_FILE_CORRUPT, "batches.meta.txt: has 2 names, where the set has 10 classes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_kind, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(bombs, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(damaged, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(strange_files, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(classes_and_parts, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(colours, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(sizes, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(sizes_that_differ, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(memory_and_threads, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(channels_are_scaled, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(with_a_model, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(cifar, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(broken_batches, files_setup, files_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
