/* Where things are: data sets and translations stand beside the command, be it installed or still in its build folder; sets
 * that were brought are kept in the user's cache. And the language: from the environment or from --lang. */
#include "cli.h"

#include <dirent.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#ifdef NILU_GETTEXT
#include <libintl.h>
#endif

static bool exists(const char *path)
{
    return access(path, R_OK) == 0;
}

void cli_places(cli *c)
{
    static char data[4200], locale[4200];
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = 0;
    char *slash = strrchr(self, '/');
    if (slash)
        *slash = 0;
    snprintf(data, sizeof data, "%s", NILU_DATADIR);
    snprintf(locale, sizeof locale, "%s", NILU_LOCALEDIR);
    if (slash && strcmp(self, NILU_BUILD_DIR) == 0) {
        snprintf(data, sizeof data, "%s/data", NILU_SOURCE_DIR);
        snprintf(locale, sizeof locale, "%s/locale", NILU_BUILD_DIR);
    } else if (slash) { /* an installation that was moved as a whole */
        char moved[4200];
        snprintf(moved, sizeof moved, "%s/../share/nilu", self);
        if (!exists(data) && exists(moved))
            memcpy(data, moved, sizeof data);
        snprintf(moved, sizeof moved, "%s/../share/locale", self);
        if (!exists(locale) && exists(moved))
            memcpy(locale, moved, sizeof locale);
    }
    c->data_dir = data;
    c->locale_dir = locale;
}

char *cli_cache_dir(nilu *nl)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache && *cache == '/')
        return base_format(nl, "%s/nilu", cache);
    if (home && *home == '/')
        return base_format(nl, "%s/.cache/nilu", home);
    return base_strdup(nl, ".nilu-cache");
}

/* ---- language */

/* English, and what CMake found in po. */
const char *cli_language_name(int i)
{
    static char name[16][16];
    const char *p = "en " NILU_LANGUAGES;
    if (i < 0 || i >= (int)COUNT(name))
        return NULL;
    for (int k = i; k > 0 && *p; k--)
        p += strcspn(p, " ") + strspn(p + strcspn(p, " "), " ");
    snprintf(name[i], sizeof name[i], "%.*s", (int)strcspn(p, " "), p);
    return *name[i] ? name[i] : NULL;
}

/* "zh-TW.UTF-8" -> "zh_TW" */
static void plain_name(const char *lang, char out[32])
{
    size_t n = strcspn(lang, ".@");
    snprintf(out, 32, "%.*s", n < 32 ? (int)n : 31, lang);
    for (char *p = out; *p; p++)
        *p = *p == '-' ? '_' : *p;
}

#ifdef NILU_GETTEXT
/* gettext asks the locale for its language, and in the C locale translates nothing. A machine may lack the locale although
 * we have the texts; then they are asked for by LANGUAGE in a locale that every system has. */
static void speak(const char *name)
{
    if (setlocale(LC_MESSAGES, "C.UTF-8") || setlocale(LC_MESSAGES, "en_US.UTF-8"))
        setenv("LANGUAGE", name, 1);
}
#endif

static bool is_english(const char *name)
{
    return !*name || strcmp(name, "C") == 0 || strcmp(name, "POSIX") == 0 || strncmp(name, "en", 2) == 0;
}

bool cli_language(const char *lang, const char *locale_dir)
{
    const char *sources[] = {getenv("LC_ALL"), getenv("LC_MESSAGES"), getenv("LANG"), "C"};
    char name[32];
    size_t i = 0;
    while (!sources[i] || !*sources[i])
        i++;
    setlocale(LC_CTYPE, "");
    bool utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0 || strcasestr(sources[i], "utf-8") || strcasestr(sources[i], "utf8");
    plain_name(lang ? lang : sources[i], name);
#ifdef NILU_GETTEXT
    bindtextdomain("nilu", locale_dir);
    bind_textdomain_codeset("nilu", "UTF-8");
    if (is_english(name) && lang)
        setlocale(LC_MESSAGES, "C");
    else if (lang || (!setlocale(LC_MESSAGES, "") && !is_english(name)))
        speak(name);
#else
    (void)locale_dir;
#endif
    return utf8 || (lang && !is_english(name)); /* who asks for Chinese can read it */
}
