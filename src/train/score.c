/* How good a model is: sums in double over the samples in their order, and what follows from them. */
#include "train/train.h"

#include <math.h>
#include <string.h>

nilu_status train_sums_new(nilu *nl, const nilu_data_info *data, bool confusion, train_sums *s)
{
    size_t k = (size_t)data->outputs, cells;
    bool classes = data->task == NILU_TASK_CLASSES;
    *s = (train_sums){.task = data->task, .outputs = data->outputs};
    if (!classes && !(s->sums = base_calloc(nl, k + 1, 4 * sizeof *s->sums)))
        return NILU_E_NO_MEMORY;
    if (!classes || !confusion)
        return NILU_OK;
    if (!base_mul(k, k, &cells))
        return base_no_memory(nl, SIZE_MAX);
    s->confusion = base_calloc(nl, cells + 1, sizeof *s->confusion);
    return s->confusion ? NILU_OK : NILU_E_NO_MEMORY;
}

void train_sums_free(nilu *nl, train_sums *s)
{
    base_free(nl, s->sums);
    base_free(nl, s->confusion);
    *s = (train_sums){0};
}

void train_sums_clear(train_sums *s)
{
    s->n = s->right = 0;
    s->loss = 0;
    if (s->sums)
        memset(s->sums, 0, (size_t)s->outputs * 4 * sizeof *s->sums);
    if (s->confusion)
        memset(s->confusion, 0, (size_t)(s->outputs * s->outputs) * sizeof *s->confusion);
}

/* The first of the largest; a NaN is never larger. */
static int64_t largest(const float *y, int64_t n)
{
    int64_t at = 0;
    for (int64_t i = 1; i < n; i++)
        if (y[i] > y[at] || (isnan(y[at]) && !isnan(y[i])))
            at = i;
    return at;
}

static void add_number(train_sums *s, const float *y, const float *target)
{
    for (int64_t j = 0; j < s->outputs; j++) {
        double t = target[j], error = (double)y[j] - t, *sum = s->sums + 4 * j;
        sum[0] += error * error;
        sum[1] += fabs(error);
        sum[2] += t;
        sum[3] += t * t;
    }
}

void train_sums_add(train_sums *s, const train_batch *b, const float *y, double loss)
{
    for (int64_t i = 0; i < b->n; i++, y += s->outputs) {
        if (s->task != NILU_TASK_CLASSES) {
            add_number(s, y, b->target + i * s->outputs);
            continue;
        }
        int64_t said = largest(y, s->outputs);
        s->right += said == b->label[i];
        if (s->confusion)
            s->confusion[b->label[i] * s->outputs + said]++;
    }
    s->n += b->n;
    s->loss += loss * (double)b->n;
}

/* Scores of output j of a target of numbers. A target that never changes explains nothing: r2 is 0 (1 if all is right). */
static void number_scores(const train_sums *s, const nilu_data_info *data, int64_t j, double *rmse, double *mae, double *r2)
{
    const double *sum = s->sums + 4 * j;
    double n = (double)s->n, unit = data->target_std ? data->target_std[j] : 1, spread = sum[3] - sum[2] * sum[2] / n;
    *rmse = sqrt(sum[0] / n) * unit;
    *mae = sum[1] / n * unit;
    *r2 = spread > 0 ? 1 - sum[0] / spread : sum[0] == 0;
}

nilu_scores train_sums_scores(const train_sums *s, const nilu_data_info *data)
{
    nilu_scores out = {s->task, s->n, NAN, NAN, NAN, NAN, NAN};
    if (s->n == 0)
        return out;
    out.loss = s->loss / (double)s->n;
    if (s->task == NILU_TASK_CLASSES) {
        out.accuracy = (double)s->right / (double)s->n;
        return out;
    }
    double square = 0, k = (double)s->outputs;
    out.mae = out.r2 = 0;
    for (int64_t j = 0; j < s->outputs; j++) {
        double rmse, mae, r2;
        number_scores(s, data, j, &rmse, &mae, &r2);
        square += rmse * rmse;
        out.mae += mae / k;
        out.r2 += r2 / k;
    }
    out.rmse = sqrt(square / k);
    return out;
}

/* ---- the whole evaluation */

static void class_scores(nilu_evaluation *e)
{
    int64_t k = e->outputs, there = 0;
    for (int64_t i = 0; i < k; i++) {
        nilu_class_scores *c = &e->classes[i];
        for (int64_t j = 0; j < k; j++) {
            c->n += e->confusion[i * k + j];
            c->said += e->confusion[j * k + i];
        }
        c->right = e->confusion[i * k + i];
        c->precision = c->said ? (double)c->right / (double)c->said : 0;
        c->recall = c->n ? (double)c->right / (double)c->n : 0;
        c->f1 = c->n + c->said ? 2 * (double)c->right / (double)(c->n + c->said) : 0;
        e->macro_f1 += c->n ? c->f1 : 0;
        there += c->n > 0;
    }
    e->macro_f1 /= there ? (double)there : 1;
}

nilu_status train_evaluation(nilu *nl, const nilu_data_info *data, train_sums *s, nilu_evaluation *e)
{
    *e = (nilu_evaluation){.scores = train_sums_scores(s, data), .outputs = s->outputs, .macro_f1 = NAN};
    size_t k = (size_t)s->outputs;
    if (s->task == NILU_TASK_CLASSES) {
        e->macro_f1 = 0;
        e->classes = base_calloc(nl, k + 1, sizeof *e->classes);
        e->confusion = s->confusion;
        s->confusion = NULL;
        if (!e->classes)
            return NILU_E_NO_MEMORY;
        class_scores(e);
        return NILU_OK;
    }
    e->rmse = base_calloc(nl, k + 1, sizeof *e->rmse);
    e->mae = base_calloc(nl, k + 1, sizeof *e->mae);
    e->r2 = base_calloc(nl, k + 1, sizeof *e->r2);
    if (!e->rmse || !e->mae || !e->r2)
        return NILU_E_NO_MEMORY;
    for (int64_t j = 0; j < s->outputs && s->n; j++)
        number_scores(s, data, j, &e->rmse[j], &e->mae[j], &e->r2[j]);
    return NILU_OK;
}

void nilu_evaluation_free(nilu *nl, nilu_evaluation *e)
{
    base_free(nl, e->confusion);
    base_free(nl, e->classes);
    base_free(nl, e->rmse);
    base_free(nl, e->mae);
    base_free(nl, e->r2);
    *e = (nilu_evaluation){0};
}
