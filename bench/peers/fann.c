/* FANN on the workloads that it can do:  fann W2|W8|W8b4 SECONDS
 * W8 is incremental training with exact tanh, the four cases of exclusive or in turn; W8b4 is one epoch of its batch training
 * on the four. W2 is batch training of 784-128-10 with stepwise sigmoids: it has neither softmax nor cross-entropy. */
#include "peer.h"

#include <floatfann.h>

typedef struct training {
    struct fann *net;
    struct fann_train_data *data;
    unsigned turn;
} training;

static void one_sample(void *user)
{
    training *t = (training *)user;
    unsigned i = t->turn++ & 3;
    fann_train(t->net, t->data->input[i], t->data->output[i]);
}

static void all_samples(void *user)
{
    training *t = (training *)user;
    fann_train_epoch(t->net, t->data);
}

static training make(int wide, unsigned samples)
{
    training t = {wide ? fann_create_standard(3, 784, 128, 10) : fann_create_standard(3, 2, 3, 1),
                  wide ? fann_create_train(samples, 784, 10) : fann_create_train(4, 2, 1), 0};
    enum fann_activationfunc_enum f = wide ? FANN_SIGMOID_STEPWISE : FANN_SIGMOID_SYMMETRIC;
    if (!t.net || !t.data)
        exit(1);
    fann_set_activation_function_hidden(t.net, f);
    fann_set_activation_function_output(t.net, f);
    fann_set_learning_rate(t.net, 0.01f);
    for (unsigned i = 0; i < samples; i++)
        if (wide) {
            float *x = peer_numbers(784);
            memcpy(t.data->input[i], x, 784 * sizeof *x);
            free(x);
            for (unsigned k = 0; k < 10; k++)
                t.data->output[i][k] = k == i % 10;
        } else {
            t.data->input[i][0] = (float)(i & 1);
            t.data->input[i][1] = (float)(i >> 1);
            t.data->output[i][0] = (float)((i & 1) ^ (i >> 1));
        }
    return t;
}

int main(int argc, char **argv)
{
    double begin = peer_now(), seconds = argc > 2 ? atof(argv[2]) : 1;
    const char *name = argc > 1 ? argv[1] : "";
    int wide = strcmp(name, "W2") == 0, single = strcmp(name, "W8") == 0;
    if (!wide && !single && strcmp(name, "W8b4") != 0) {
        fprintf(stderr, "fann: it has no %s\n", name);
        return 2;
    }
    training t = make(wide, wide ? 32 : 4);
    void (*step)(void *) = single ? one_sample : all_samples;
    fann_set_training_algorithm(t.net, single ? FANN_TRAIN_INCREMENTAL : FANN_TRAIN_BATCH);
    step(&t);
    double first = peer_now() - begin;
    peer_tell_workload(name, wide ? 32 : single ? 1 : 4, peer_measure(step, &t, seconds), first);
    fann_destroy_train(t.data);
    fann_destroy(t.net);
    return 0;
}
