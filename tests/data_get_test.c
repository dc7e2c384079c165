/* Getting sets: from a server on the loopback address that behaves well and badly, from folders, from what is there. */
#include "support/files.h"

#include "data/data.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#define SHARED NILU_SOURCE_DIR "/../shared/data"
#define DEBIAN "/usr/share/datasets/fashion-mnist"

enum { FILES = 4, ROOM = 1 << 17 };

/* The set that the server has: four files of text, packed. */
static struct {
    char plain[1000], sha[65];
    unsigned char packed[2000];
    size_t n, packed_n;
} file[FILES];
static data_set set = {.about = {"few", "four texts", "none", ""},
                       .file = {{"train-images-idx3-ubyte", 0, NULL},
                                {"train-labels-idx1-ubyte", 0, NULL},
                                {"t10k-images-idx3-ubyte", 0, NULL},
                                {"t10k-labels-idx1-ubyte", 0, NULL}}};
static unsigned char bomb[ROOM];
static size_t bomb_n;
static char server[64];
static pid_t server_pid;

static size_t pack(const void *bytes, size_t n, unsigned char *out, size_t room)
{
    z_stream z = {
        .next_in = (unsigned char *)bytes, .avail_in = (unsigned)n, .next_out = out, .avail_out = (unsigned)room};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(deflateEnd(&z), Z_OK);
    return room - z.avail_out;
}

static void make_set(void)
{
    enum { BOMB = 64 << 20 };
    for (int i = 0; i < FILES; i++) {
        base_sha256 sha;
        for (int k = 0; k < 90; k++)
            file[i].n += (size_t)sprintf(file[i].plain + file[i].n, "%d %d\n", i, k * k * 7919 % 997);
        file[i].packed_n = pack(file[i].plain, file[i].n, file[i].packed, sizeof file[i].packed);
        base_sha256_start(&sha);
        base_sha256_add(&sha, file[i].plain, file[i].n);
        base_sha256_end(&sha, file[i].sha);
        set.file[i].size = file[i].n;
        set.file[i].sha256 = file[i].sha;
    }
    unsigned char *zeros = calloc(1, BOMB);
    bomb_n = pack(zeros, BOMB, bomb, sizeof bomb);
    free(zeros);
}

/* ---- the server: /manner/name */

static void answer(int to, const char *status, const char *more, const void *body, size_t n, size_t claimed)
{
    char head[512];
    int length = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n",
                          status, claimed, more);
    if (write(to, head, (size_t)length) != length || write(to, body, n) != (ssize_t)n)
        return;
}

static void serve_one(int to)
{
    char request[2048] = "", manner[64] = "", name[256] = "", where[400];
    size_t n = 0;
    for (ssize_t r; !strstr(request, "\r\n\r\n") && n + 1 < sizeof request; n += (size_t)r)
        if ((r = read(to, request + n, sizeof request - n - 1)) <= 0)
            return;
    sscanf(request, "GET /%63[^/]/%255s", manner, name);
    int which = -1;
    for (int i = 0; i < FILES; i++)
        if (strncmp(name, set.file[i].name, strlen(set.file[i].name)) == 0)
            which = i;
    bool packed = strstr(name, ".gz") != NULL;
    const void *body = which < 0 ? NULL : packed ? (const void *)file[which].packed : file[which].plain;
    size_t length = which < 0 ? 0 : packed ? file[which].packed_n : file[which].n;
    if (which < 0 || strcmp(manner, "missing") == 0 || (packed && strcmp(manner, "plain") == 0))
        answer(to, "404 Not Found", "", "no", 2, 2);
    else if (strcmp(manner, "good") == 0 || strcmp(manner, "plain") == 0)
        answer(to, "200 OK", "", body, length, length);
    else if (strcmp(manner, "broken") == 0)
        answer(to, "503 Service Unavailable", "", "later", 5, 5);
    else if (strcmp(manner, "short") == 0)
        answer(to, "200 OK", "", body, length / 2, length);
    else if (strcmp(manner, "half") == 0)
        answer(to, "200 OK", "", body, length / 2, length / 2);
    else if (strcmp(manner, "other") == 0)
        answer(to, "200 OK", "", file[(which + 1) % FILES].packed, file[(which + 1) % FILES].packed_n,
               file[(which + 1) % FILES].packed_n);
    else if (strcmp(manner, "bomb") == 0)
        answer(to, "200 OK", "", bomb, bomb_n, bomb_n);
    else if (strcmp(manner, "page") == 0)
        answer(to, "200 OK", "", "<html>log in</html>", 19, 19);
    else if (strcmp(manner, "moved") == 0) {
        snprintf(where, sizeof where, "Location: %s/good/%s\r\n", server, name);
        answer(to, "302 Found", where, "", 0, 0);
    } else if (strcmp(manner, "trick") == 0) {
        answer(to, "302 Found", "Location: file:///etc/passwd\r\n", "", 0, 0);
    } else if (strcmp(manner, "circle") == 0) {
        snprintf(where, sizeof where, "Location: %s/circle/%s\r\n", server, name);
        answer(to, "302 Found", where, "", 0, 0);
    } else if (strcmp(manner, "endless") == 0) {
        const char *head = "HTTP/1.0 200 OK\r\n\r\n";
        if (write(to, head, strlen(head)) > 0)
            while (write(to, bomb, sizeof bomb) > 0)
                continue;
    }
}

static int start(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&at, n) != 0 || listen(listener, 16) != 0 ||
        getsockname(listener, (struct sockaddr *)&at, &n) != 0)
        return -1;
    snprintf(server, sizeof server, "http://127.0.0.1:%d", ntohs(at.sin_port));
    make_set();
    unsetenv("http_proxy"); /* the loopback address is not reached through a proxy */
    unsetenv("all_proxy");
    fflush(NULL);
    server_pid = fork();
    if (server_pid == 0) {
        signal(SIGPIPE, SIG_IGN);
        for (;;) {
            int to = accept(listener, NULL, NULL);
            if (to < 0)
                continue;
            serve_one(to);
            close(to);
        }
    }
    close(listener);
    return server_pid < 0 ? -1 : files_setup(state);
}

static int stop(void **state)
{
    kill(server_pid, SIGTERM);
    waitpid(server_pid, NULL, 0);
    return files_teardown(state);
}

/* ---- helpers */

static nilu_get_options to_cache(const char *cache, const char *from)
{
    nilu_get_options o = NILU_GET_DEFAULT;
    o.cache_dir = cache;
    o.from = from;
    return o;
}

static const char *at_server(const char *manner)
{
    static char url[128];
    snprintf(url, sizeof url, "%s/%s", server, manner);
    return url;
}

static int entries(const char *folder)
{
    DIR *d = opendir(folder);
    int n = 0;
    for (struct dirent *e; d && (e = readdir(d)) != NULL;)
        n += e->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

static void check_content(const char *folder, const char *ending)
{
    for (int i = 0; i < FILES; i++) {
        char path[400], bytes[2000];
        snprintf(path, sizeof path, "%s/%s%s", folder, set.file[i].name, ending);
        FILE *f = fopen(path, "rb");
        assert_non_null(f);
        size_t n = fread(bytes, 1, sizeof bytes, f);
        fclose(f);
        assert_int_equal(n, *ending ? file[i].packed_n : file[i].n);
        assert_memory_equal(bytes, *ending ? (const void *)file[i].packed : file[i].plain, n);
    }
    assert_int_equal(entries(folder), FILES);
}

/* ---- tests */

static void from_a_server(void **state)
{
    static const char *const manners[] = {"good", "good/", "moved", "plain"};
    nilu *nl = *state;
    for (size_t i = 0; i < COUNT(manners); i++) {
        char cache[400], *folder;
        snprintf(cache, sizeof cache, "%s/deeper", files_path((const char *[]){"c0", "c1", "c2", "c3"}[i]));
        nilu_get_options o = to_cache(cache, at_server(manners[i]));
        assert_ok(nl, data_get_set(nl, &set, &o, &folder));
        check_content(folder, i == 3 ? "" : ".gz");
        nilu_text_free(nl, folder);
        o.from = at_server("missing"); /* all are there, so none is asked for */
        assert_ok(nl, data_get_set(nl, &set, &o, &folder));
        nilu_text_free(nl, folder);
    }
}

static void from_a_bad_server(void **state)
{
    static const struct {
        const char *manner, *error;
        nilu_status status;
    } rows[] = {{"missing", "/missing/train-images-idx3-ubyte.gz: the server answered 404", NILU_E_FILE_NOT_FOUND},
                {"broken", "the server answered 503", NILU_E_FILE_READ},
                {"short", "/short/train-images-idx3-ubyte.gz: ", NILU_E_FILE_READ},
                {"half", "is damaged or not the file it should be", NILU_E_VERIFY},
                {"other", "is not the file it should be", NILU_E_VERIFY},
                {"page", "is not the file it should be", NILU_E_VERIFY},
                {"bomb", "it does not unpack to 528 bytes", NILU_E_VERIFY},
                {"endless", "is longer than this file can be", NILU_E_VERIFY},
                {"trick", "/trick/train-images-idx3-ubyte.gz: ", NILU_E_FILE_READ},
                {"circle", "/circle/train-images-idx3-ubyte.gz: ", NILU_E_FILE_READ}};
    nilu *nl = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *folder = NULL;
        nilu_get_options o = to_cache(files_path("bad"), at_server(rows[i].manner));
        nilu_status status = data_get_set(nl, &set, &o, &folder);
        if (status != rows[i].status)
            fail_msg("%s: status %d: %s", rows[i].manner, status, nilu_errmsg(nl));
        assert_contains(nilu_errmsg(nl), rows[i].error);
        assert_null(folder);
        assert_int_equal(entries(files_path("bad/few")), 0);
    }
    nilu_get_options o = to_cache(files_path("bad"), "http://127.0.0.1:1/x");
    char *folder;
    assert_int_equal(data_get_set(nl, &set, &o, &folder), NILU_E_FILE_READ);
    assert_contains(nilu_errmsg(nl), "is the network there?");
    o.from = "gopher://127.0.0.1/x";
    assert_int_equal(data_get_set(nl, &set, &o, &folder), NILU_E_FILE_READ);
}

/* The packed bomb is small enough to be fetched when the file may be long; its size unpacked gives it away. */
static void a_bomb_is_not_unpacked(void **state)
{
    nilu *nl = *state;
    data_set large = set;
    char *folder;
    large.file[0].size = 1 << 20;
    nilu_get_options o = to_cache(files_path("bomb"), at_server("bomb"));
    assert_int_equal(data_get_set(nl, &large, &o, &folder), NILU_E_VERIFY);
    assert_contains(nilu_errmsg(nl), "does not unpack to 1048576 bytes");
}

static void damaged_files_are_fetched_again(void **state)
{
    nilu *nl = *state;
    char *folder, path[400];
    nilu_get_options o = to_cache(files_path("again"), at_server("good"));
    assert_ok(nl, data_get_set(nl, &set, &o, &folder));
    snprintf(path, sizeof path, "again/few/%s.gz", set.file[2].name);
    files_put(path, file[2].packed, file[2].packed_n - 9);
    snprintf(path, sizeof path, "again/few/%s.gz", set.file[3].name);
    remove(files_path(path));
    nilu_text_free(nl, folder);
    assert_ok(nl, data_get_set(nl, &set, &o, &folder));
    check_content(folder, ".gz");
    nilu_text_free(nl, folder);
}

/* A mirror on disk. */
static const char *mirror(void)
{
    static char folder[320];
    snprintf(folder, sizeof folder, "%s", files_path("mirror"));
    mkdir(folder, 0777);
    for (int i = 0; i < FILES; i++) {
        char name[100];
        snprintf(name, sizeof name, "mirror/%s%s", set.file[i].name, i % 2 ? "" : ".gz");
        files_put(name, i % 2 ? (const void *)file[i].plain : file[i].packed, i % 2 ? file[i].n : file[i].packed_n);
    }
    return folder;
}

static void from_folders(void **state)
{
    nilu *nl = *state;
    char *folder, url[400];
    nilu_get_options o = to_cache(files_path("by-path"), mirror());
    assert_ok(nl, data_get_set(nl, &set, &o, &folder));
    assert_int_equal(entries(folder), FILES);
    nilu_text_free(nl, folder);
    snprintf(url, sizeof url, "file://%s", mirror());
    o = to_cache(files_path("by-url"), url);
    assert_ok(nl, data_get_set(nl, &set, &o, &folder));
    assert_int_equal(entries(folder), FILES);
    nilu_text_free(nl, folder);
    o = to_cache(files_path("nowhere"), "/nowhere/at/all");
    assert_int_equal(data_get_set(nl, &set, &o, &folder), NILU_E_FILE_NOT_FOUND);
    assert_contains(nilu_errmsg(nl), "/nowhere/at/all/train-images-idx3-ubyte.gz: cannot be opened");
    o = to_cache(files_text("in-the-way", "x"), mirror());
    assert_int_equal(data_get_set(nl, &set, &o, &folder), NILU_E_FILE_WRITE);
}

static bool three_times(void *user, const char *name, uint64_t done, uint64_t total)
{
    int *calls = user;
    (void)done, (void)total;
    assert_non_null(name);
    return ++*calls < 3;
}

static void it_can_be_stopped(void **state)
{
    nilu *nl = *state;
    char *folder;
    const char *from[] = {at_server("good"), mirror()};
    for (int i = 0; i < 2; i++) {
        int calls = 0;
        nilu_get_options o = to_cache(files_path(i ? "stop1" : "stop2"), from[i]);
        o.progress = three_times;
        o.user = &calls;
        assert_int_equal(data_get_set(nl, &set, &o, &folder), NILU_E_CANCELLED);
        assert_int_equal(calls, 3);
    }
}

static nilu_status get_from_mirror(nilu *nl, void *user)
{
    char command[400], *folder = NULL;
    const nilu_get_options *o = user;
    snprintf(command, sizeof command, "rm -rf '%s'", o->cache_dir);
    if (system(command) != 0)
        return NILU_E_SYSTEM;
    nilu_status status = data_get_set(nl, &set, o, &folder);
    if (status == NILU_OK) {
        nilu_text_free(nl, folder);
        status = data_get_set(nl, &set, o, &folder);
    }
    nilu_text_free(nl, folder);
    return status;
}

static void allocations_may_fail(void **state)
{
    (void)state;
    nilu_get_options o = to_cache(files_path("failing"), mirror());
    support_fail_each(1, get_from_mirror, &o);
    o.from = at_server("good");
    support_fail_each(1, get_from_mirror, &o);
}

static void names(void **state)
{
    nilu *nl = *state;
    nilu_get_options o = to_cache(files_path("names"), NULL);
    assert_int_equal(nilu_data_get(nl, "minst", &o, NULL), NILU_E_NAME);
    assert_contains(nilu_errmsg(nl), "did you mean \"mnist\"?");
    assert_int_equal(nilu_data_get(nl, "digits", &o, NULL), NILU_E_USAGE);
    assert_contains(nilu_errmsg(nl), "comes with nilu");
    assert_int_equal(nilu_data_get(nl, "mnist", NULL, NULL), NILU_E_USAGE);
    o.cache_dir = NULL;
    assert_int_equal(nilu_data_get(nl, "mnist", &o, NULL), NILU_E_USAGE);
    int n = 0;
    while (nilu_data_catalogue(n))
        n++;
    assert_int_equal(n, 3);
    assert_null(nilu_data_catalogue(-1));
}

static void real_sets(void **state)
{
    nilu *nl = *state;
    char *folder;
    nilu_data_options o = NILU_DATA_DEFAULT;
    nilu_data *d;
    o.cache_dir = files_path("real");
    if (access(SHARED "/mnist", R_OK) == 0) {
        nilu_get_options get = to_cache(o.cache_dir, SHARED "/mnist");
        assert_ok(nl, nilu_data_get(nl, "mnist", &get, &folder));
        nilu_text_free(nl, folder);
        assert_ok(nl, nilu_data_open(nl, "mnist", &o, &d));
        assert_string_equal(nilu_data_about(d)->name, "mnist");
        assert_int_equal(nilu_data_about(d)->count[NILU_TEST], 10000);
        nilu_data_free(d);
    } else {
        printf("MNIST: %s is not here, so it was not got\n", SHARED "/mnist");
    }
    if (access(DEBIAN, R_OK) == 0) {
        nilu_get_options get = to_cache(o.cache_dir, NULL);
        assert_ok(nl, nilu_data_get(nl, "fashion-mnist", &get, &folder));
        assert_string_equal(folder, DEBIAN);
        nilu_text_free(nl, folder);
        assert_ok(nl, nilu_data_open(nl, "fashion-mnist", &o, &d));
        assert_string_equal(nilu_data_about(d)->class_names[9], "Ankle boot");
        assert_int_equal(nilu_data_about(d)->count[NILU_TRAIN], 54000);
        nilu_data_free(d);
        assert_ok(nl, nilu_data_open(nl, DEBIAN, &o, &d));
        assert_string_equal(nilu_data_about(d)->class_names[0], "T-shirt/top");
        nilu_data_free(d);
    } else {
        printf("Fashion-MNIST: Debian's dataset-fashion-mnist is not installed, so it was not opened\n");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(from_a_server),
                                       cmocka_unit_test(from_a_bad_server),
                                       cmocka_unit_test(a_bomb_is_not_unpacked),
                                       cmocka_unit_test(damaged_files_are_fetched_again),
                                       cmocka_unit_test(from_folders),
                                       cmocka_unit_test(it_can_be_stopped),
                                       cmocka_unit_test(allocations_may_fail),
                                       cmocka_unit_test(names),
                                       cmocka_unit_test(real_sets)};
    return cmocka_run_group_tests(tests, start, stop);
}
