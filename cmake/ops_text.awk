# Turns the rows of ops.inc into rows of texts: OP_TEXT(name, parameters, what its comment says), and OP_SECTION(text) for
# comments that begin with "--". From these `nilu op` makes its reference, and script/po its messages.
{ all = all $0 "\n" }
END {
    gsub(/[ \t\n]+/, " ", all)
    until("*/") # the head of the file
    while (match(all, /\/\* -- |NILU_OP\(/)) {
        section = substr(all, RSTART, RLENGTH) != "NILU_OP("
        all = substr(all, RSTART + RLENGTH)
        if (section) {
            printf "OP_SECTION(%s)\n", message(until("*/"))
            continue
        }
        name = until(",")
        parameters = closing()
        text = ""
        if (match(all, /^ ?\/\* [^-]/)) {
            sub(/^ ?\/\*/, "", all)
            text = until("*/")
        }
        printf "OP_TEXT(\"%s\", \"%s\", %s)\n", name, quote(parameters), message(text)
    }
}
# What stands before `mark`; both are taken off.
function until(mark,    at, text) {
    at = index(all, mark)
    text = substr(all, 1, at - 1)
    all = substr(all, at + length(mark))
    return trim(text)
}
# The parameters in their parentheses, and the one that closes the row.
function closing(    i, depth, c, text) {
    for (i = 1; i <= length(all); i++) {
        c = substr(all, i, 1)
        if (c == "(") depth++
        if (c == ")" && depth-- == 0) break
    }
    text = substr(all, 1, i - 1)
    all = substr(all, i + 1)
    return trim(text)
}
function trim(text) {
    sub(/^ +/, "", text)
    sub(/ +$/, "", text)
    return text
}
function quote(text) {
    gsub(/\\/, "\\\\", text)
    gsub(/"/, "\\\"", text)
    return text
}
function message(text) {
    return text == "" ? "\"\"" : "N_(\"" quote(text) "\")"
}
