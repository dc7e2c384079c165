/* Downloading one file by libcurl: over http, https, or from file://. */
#include "data/data.h"

#include <curl/curl.h>
#include <string.h>

enum { CONNECT_SECONDS = 30, STALLED_SECONDS = 60, REDIRECTS = 5 };

typedef struct transfer {
    const nilu_get_options *options;
    const char *file;
    base_output *out;
    uint64_t got, limit;
    bool cancelled, too_long;
} transfer;

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

static nilu_status verdict(nilu *nl, CURL *curl, CURLcode code, const transfer *t, const char *url, const char *why)
{
    long answer = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer);
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
    return base_fail(nl, NILU_E_FILE_READ, N_("%s: %s; is the network there?"), url,
                     *why ? why : curl_easy_strerror(code));
}

static void allow(CURL *curl)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https,file");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS | CURLPROTO_FILE);
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
}

nilu_status data_download(nilu *nl, const char *url, uint64_t limit, const nilu_get_options *o, const char *file,
                          base_output *out)
{
    char why[CURL_ERROR_SIZE] = "";
    transfer t = {o, file, out, 0, limit, false, false};
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return base_fail(nl, NILU_E_SYSTEM, N_("%s: libcurl cannot be used"), url);
    CURL *curl = curl_easy_init();
    nilu_status status = curl ? NILU_OK : base_no_memory(nl, 0);
    if (curl) {
        allow(curl);
        curl_easy_setopt(curl, CURLOPT_URL, url);
        curl_easy_setopt(curl, CURLOPT_USERAGENT, "nilu/" NILU_VERSION);
        curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
        curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)REDIRECTS);
        curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
        curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)STALLED_SECONDS);
        curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, &t);
        curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, tell);
        curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &t);
        curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
        status = verdict(nl, curl, curl_easy_perform(curl), &t, url, why);
        curl_easy_cleanup(curl);
    }
    curl_global_cleanup();
    return status;
}
