/* Downloading one file by libcurl: over http, https, or from file://. With libcurl come thirty other libraries, six MB of
 * memory and ten ms, more than all the rest of nilu: it is loaded when something is downloaded, and not before. */
#include "data/data.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <string.h>

enum { CONNECT_SECONDS = 30, STALLED_SECONDS = 60, REDIRECTS = 5 };

typedef struct transfer {
    const nilu_get_options *options;
    const char *file;
    base_output *out;
    uint64_t got, limit;
    bool cancelled, too_long;
} transfer;

/* What is used of it. */
typedef struct library {
    void *handle;
    CURLcode (*global_init)(long flags);
    void (*global_cleanup)(void);
    CURL *(*init)(void);
    void (*cleanup)(CURL *curl);
    CURLcode (*setopt)(CURL *curl, CURLoption option, ...);
    CURLcode (*getinfo)(CURL *curl, CURLINFO info, ...);
    CURLcode (*perform)(CURL *curl);
    const char *(*strerror)(CURLcode code);
} library;

static bool load(library *l)
{
    static const char *const files[] = {"libcurl.so.4", "libcurl-gnutls.so.4", "libcurl.4.dylib", "libcurl.so"};
    static const struct {
        const char *name;
        size_t at;
    } functions[] = {
        {"curl_global_init", offsetof(library, global_init)},
        {"curl_global_cleanup", offsetof(library, global_cleanup)},
        {"curl_easy_init", offsetof(library, init)},
        {"curl_easy_cleanup", offsetof(library, cleanup)},
        {"curl_easy_setopt", offsetof(library, setopt)},
        {"curl_easy_getinfo", offsetof(library, getinfo)},
        {"curl_easy_perform", offsetof(library, perform)},
        {"curl_easy_strerror", offsetof(library, strerror)},
    };
    for (size_t i = 0; i < COUNT(files) && !l->handle; i++)
        l->handle = dlopen(files[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE); /* its threads and exit handlers stay */
    for (size_t i = 0; i < COUNT(functions) && l->handle; i++) {
        void *function = dlsym(l->handle, functions[i].name);
        if (!function)
            return false;
        memcpy((char *)l + functions[i].at, &function, sizeof function);
    }
    return l->handle != NULL;
}

static size_t take_bytes(char *bytes, size_t size, size_t n, void *user)
{
    transfer *t = user;
    t->got += size * n;
    t->too_long = t->got > t->limit;
    if (t->too_long)
        return 0;
    base_write(t->out, bytes, size * n);
    return t->out->status == NILU_OK ? size * n : 0;
}

static int tell(void *user, curl_off_t total, curl_off_t done, curl_off_t up_total, curl_off_t up)
{
    transfer *t = user;
    (void)up_total, (void)up;
    t->cancelled =
        t->options->progress && !t->options->progress(t->options->user, t->file, done > 0 ? (uint64_t)done : 0,
                                                      total > 0 ? (uint64_t)total : 0);
    return t->cancelled;
}

static nilu_status verdict(nilu *nl, const library *l, CURL *curl, CURLcode code, const transfer *t, const char *url,
                           const char *why)
{
    long answer = 0;
    l->getinfo(curl, CURLINFO_RESPONSE_CODE, &answer);
    if (code == CURLE_OK)
        return NILU_OK;
    if (t->cancelled)
        return base_fail(nl, NILU_E_CANCELLED, N_("%s: the download was stopped"), url);
    if (t->too_long)
        return base_fail(nl, NILU_E_VERIFY, N_("%s: is longer than this file can be"), url);
    if (t->out->status != NILU_OK)
        return t->out->status;
    if (code == CURLE_OUT_OF_MEMORY)
        return base_no_memory(nl, 0);
    if (code == CURLE_HTTP_RETURNED_ERROR)
        return base_fail(nl, answer == 404 || answer == 403 || answer == 410 ? NILU_E_FILE_NOT_FOUND : NILU_E_FILE_READ,
                         N_("%s: the server answered %ld"), url, answer);
    if (code == CURLE_FILE_COULDNT_READ_FILE)
        return base_fail(nl, NILU_E_FILE_NOT_FOUND, N_("%s: there is no such file"), url);
    return base_fail(nl, NILU_E_FILE_READ, N_("%s: %s; is the network there?"), url, *why ? why : l->strerror(code));
}

/* False if this libcurl cannot be kept from other protocols. */
static bool allow(const library *l, CURL *curl)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    return l->setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https,file") == CURLE_OK &&
           l->setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https") == CURLE_OK;
#else
    return l->setopt(curl, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS | CURLPROTO_FILE) == CURLE_OK &&
           l->setopt(curl, CURLOPT_REDIR_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS) == CURLE_OK;
#endif
}

static nilu_status transport(nilu *nl, const library *l, const char *url, transfer *t)
{
    char why[CURL_ERROR_SIZE] = "";
    CURL *curl = l->init();
    if (!curl)
        return base_no_memory(nl, 0);
    if (!allow(l, curl)) {
        l->cleanup(curl);
        return base_fail(nl, NILU_E_SYSTEM, N_("%s: libcurl cannot be used"), url);
    }
    l->setopt(curl, CURLOPT_URL, url);
    l->setopt(curl, CURLOPT_USERAGENT, "nilu/" NILU_VERSION);
    l->setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    l->setopt(curl, CURLOPT_MAXREDIRS, (long)REDIRECTS);
    l->setopt(curl, CURLOPT_FAILONERROR, 1L);
    l->setopt(curl, CURLOPT_NOSIGNAL, 1L);
    l->setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    l->setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    l->setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)STALLED_SECONDS);
    l->setopt(curl, CURLOPT_ERRORBUFFER, why);
    l->setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
    l->setopt(curl, CURLOPT_WRITEDATA, t);
    l->setopt(curl, CURLOPT_XFERINFOFUNCTION, tell);
    l->setopt(curl, CURLOPT_XFERINFODATA, t);
    l->setopt(curl, CURLOPT_NOPROGRESS, 0L);
    const CURLcode code = l->perform(curl);
    nilu_status status = verdict(nl, l, curl, code, t, url, why);
    l->cleanup(curl);
    return status;
}

nilu_status data_download(nilu *nl, const char *url, uint64_t limit, const nilu_get_options *o, const char *file,
                          base_output *out)
{
    transfer t = {o, file, out, 0, limit, false, false};
    library l = {0};
    nilu_status status;
    if (!load(&l)) {
        status = base_fail(nl, NILU_E_UNSUPPORTED,
                           N_("%s: downloading needs libcurl, which is not installed; install it, or fetch the file "
                              "by other means and say where it is"),
                           url);
    } else if (l.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        status = base_fail(nl, NILU_E_SYSTEM, N_("%s: libcurl cannot be used"), url);
    } else {
        status = transport(nl, &l, url, &t);
        l.global_cleanup();
    }
    if (l.handle)
        dlclose(l.handle);
    return status;
}
