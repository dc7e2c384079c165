"""A net learns digits, makes mistakes, and is asked who is to blame: cells of a notebook (# %%), which also run as they are."""
# %%
import os

import nilu

where = {"data_dir": os.environ["NILU_DATA"]} if "NILU_DATA" in os.environ else {}
run = nilu.train("digits", "64 relu, 32 relu", "run", epochs=4, reading=where)
scores = run.evaluate("test")
print("accuracy %.2f %%" % (100 * scores["accuracy"]))

# %% The mistakes, the surest first
said, (x, labels) = run.predict("test"), run.samples("test")
wrong = sorted((i for i in range(len(labels)) if said[i].argmax() != labels[i]), key=lambda i: -said[i].max())
print(len(wrong), "mistakes; the surest:", ["%d taken for %d" % (labels[i], said[i].argmax()) for i in wrong[:5]])

# %% Who is to blame for the first? Every accusation was tried: `measured` is what mending does to the gap.
case = run.blame("test:%d" % wrong[0])
print("%s: gap %.3f" % (case["sample"], case["gap"]))
for layer in case["layers"]:
    for weight in layer["weights"][:3]:
        print("  %s[%d] reads %d: %.3f, mended to %.3f: gap %+.3f" % (layer["name"], weight["neuron"], weight["from"], weight["value"], weight["mended"], weight["measured"]))

# %% Mend the worst weight of the last layer in a copy, and ask again
weights, last = run.weights, case["layers"][-1]
worst = min(last["weights"], key=lambda weight: weight["measured"])
weights[last["name"] + "/weight"][worst["from"], worst["neuron"]] = worst["mended"]
model = nilu.Model("64 relu, 32 relu", run.context)
after = model.blame(weights, x[wrong[0]], int(labels[wrong[0]]), outputs=10, accused=case["accused"])
mended = case["gap"] - after["gap"]
print("gap %.3f, before %.3f" % (after["gap"], case["gap"]))

# %% One neuron, step by step
part = run.explain("fc1", int(case["layers"][0]["neurons"][0]["neuron"]), case["sample"], start="gap")
print("z = %.4f, a = %.4f; error received %.4f, passed its function %.4f" % (part["z"], part["a"], part["received"], part["delta"]))

# %% The whole net for others
model.export(run.weights, x.shape[1], 10, "digits.onnx")
print(nilu.Onnx("digits.onnx", run.context).run(x=x[:1])[0].argmax(), "is what", labels[0], "is taken for")
