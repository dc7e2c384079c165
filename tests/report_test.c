/* Pages: what comes in as text stays text, pictures are PNG, and a failure is told at the end. */
#include "support/support.h"

#include "report/report.h"
#include <unistd.h>

static void texts_are_escaped(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    report r = report_page(nl, "<script>alert(1)</script> & \"more\"", NULL);
    report_section(&r, "a < b");
    report_say(&r, "%s %d", "<b>bold</b> \xff\x01 \xe4\xb8\xad\xe6\x96\x87", 7);
    report_table(&r, "lr");
    report_cell(&r, "name");
    report_cell(&r, "%%");
    report_cell(&r, "%s", "'x' onload=\"");
    report_bar(&r, -3, 6, "%.2f", -3.0);
    report_table_end(&r);
    report_markup(&r, "<i title=\"%s\">%-5d|%.*f|%lld|%5.1f%%</i>", "\"><u>", 42, 3, 1.23456, 1LL << 40, 99.94);
    report_page_end(&r);
    assert_int_equal(r.status, NILU_OK);
    const char *t = r.text.at;
    assert_null(strstr(t, "<script>"));
    assert_null(strstr(t, "<b>"));
    assert_null(strstr(t, "\x01"));
    assert_contains(t, "<h1>&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;more&quot;</h1>");
    assert_contains(t, "<p>&lt;b&gt;bold&lt;/b&gt; \xef\xbf\xbd\xef\xbf\xbd \xe4\xb8\xad\xe6\x96\x87 7</p>");
    assert_contains(t, "<td>&#39;x&#39; onload=&quot;</td><td class=\"r\">-3.00<svg");
    assert_contains(t, "<i title=\"&quot;&gt;&lt;u&gt;\">42   |1.235|1099511627776| 99.9%</i>");
    assert_contains(t, "</section>\n<footer>");
    assert_null(strstr(t, "http://") ? strstr(strstr(t, "http://") + 7, "//") : NULL); /* but SVG's name space nothing has an address */
    report_free(&r);
    nilu_free(nl);
}

static void pictures_are_png(void **state)
{
    (void)state;
    nilu *nl = support_context(1, NULL);
    unsigned char rgb[6 * 3];
    double heat[6] = {-2, -1, 0, 1, 2, 9};
    base_buffer png = {0};
    report_heat(heat, 6, 2, rgb);
    assert_memory_equal(rgb + 12, rgb + 15, 3); /* what is beyond the scale has its last colour */
    assert_memory_equal(rgb + 6, "\xfa\xf8\xf4", 3);
    assert_ok(nl, report_png(nl, rgb, 2, 3, 3, &png));
    assert_memory_equal(png.at, "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\3\0\0\0\2\10\2", 26);
    base_free(nl, png.at);
    nilu_free(nl);
}

static nilu_status write_once(nilu *nl, void *user)
{
    const char *path = user;
    unsigned char grey[64];
    memset(grey, 200, sizeof grey);
    report r = report_page(nl, "title", "lead");
    report_section(&r, "one");
    report_say(&r, "%s", "text");
    report_picture(&r, grey, 8, 8, 1, 10, "a grey square");
    report_svg(&r, false, 100, 50, "a line");
    report_svg_line(&r, "ink", 1, 0, 0, 100, 50);
    report_svg_end(&r);
    report_page_end(&r);
    return report_write(&r, path);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    char path[] = "/tmp/nilu-report-XXXXXX";
    close(mkstemp(path));
    support_fail_each(1, write_once, path);
    nilu *nl = support_context(1, NULL);
    char *text;
    size_t n;
    assert_ok(nl, base_read_file(nl, path, 1 << 20, &text, &n));
    assert_contains(text, "src=\"data:image/png;base64,iVBORw0KGgo");
    assert_memory_equal(text + n - 8, "</html>\n", 8);
    base_free(nl, text);
    assert_int_equal(write_once(nl, (void *)"/no/such/folder/page.html"), NILU_E_FILE_WRITE);
    unlink(path);
    nilu_free(nl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_escaped), cmocka_unit_test(pictures_are_png), cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
