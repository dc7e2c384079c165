/* Files of weights, whatever their format: what is in them is listed without its values, which are read one tensor at a time. */
#ifndef CLI_WEIGHTS_H
#define CLI_WEIGHTS_H

#include "cli.h"
#include "gguf.h"

#include "io/io.h"

typedef struct cli_tensor {
    const char *name;   /* owned by the file */
    const char *type;   /* as the format calls it */
    nilu_dtype dtype;   /* of the values when read */
    nilu_shape shape;
    bool used;          /* a parameter took its values */
} cli_tensor;

typedef struct cli_weights {
    cli *c;
    const char *path, *format; /* "safetensors", "NPZ", "GGUF" */
    const char *model;         /* the text of the model, where the file has it; else NULL */
    cli_tensor *tensor;
    int count;
    io_file safetensors;
    nilu_npz *npz;
    gguf_file gguf;
} cli_weights;

typedef enum cli_form { CLI_FORM_ONNX, CLI_FORM_SAFETENSORS, CLI_FORM_NPZ, CLI_FORM_GGUF } cli_form;
/* By how the file begins; what is none of them is taken for ONNX, whose reader says what is wrong. */
nilu_status cli_form_of(cli *c, const char *path, cli_form *form);
/* Closed by cli_weights_close, also after a failure. */
nilu_status cli_weights_open(cli *c, const char *path, cli_form form, cli_weights *w);
void cli_weights_close(cli_weights *w);
/* The values of tensor i as f32; turned: of a matrix, columns before rows. */
nilu_status cli_weights_get(const cli_weights *w, int i, bool turned, float *to);
/* Numbers of all tensors. */
double cli_weights_numbers(const cli_weights *w);
/* The values that the parameters of a network take from the file: by their names, or those of PyTorch (fc1.weight, whose
 * matrices are turned), or, where no name is the same, module by module in their order. `p`: all parameters. An error names those
 * that the file lacks. *by_order: no name was the same. */
nilu_status cli_weights_fit(cli_weights *w, int n, nilu_tensor *const *p, nilu_store *store, bool *by_order);

/* All parameters of a model as it answers samples of these data; *p is freed by base_free, the graph by nilu_graph_free. */
nilu_status cli_parameters(cli *c, const nilu_model *model, const nilu_data *data, nilu_graph **g, nilu_tensor ***p, int *n);

#endif
