// node run.mjs < jobs.json: runs models, [{"model": FILE, "batches": [{"shape": [BATCH, SAMPLES], "file": FLOAT32}]}],
// and prints their names and probabilities as one JSON list.
// Nothing but onnxruntime-web is at work, on its WebAssembly backend, as in a browser.
import fs from "node:fs";
import * as ort from "onnxruntime-web";

ort.env.wasm.numThreads = 1;
const told = [];
for (const job of JSON.parse(fs.readFileSync(0, "utf8"))) {
  const model = new Uint8Array(fs.readFileSync(job.model));
  const session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
  const outputs = [];
  for (const { shape, file } of job.batches) {
    const bytes = fs.readFileSync(file);
    const waveform = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
    const { probabilities } = await session.run({ waveform: new ort.Tensor("float32", waveform, shape) });
    outputs.push({ shape: probabilities.dims, values: Array.from(probabilities.data) });
  }
  told.push({ inputs: session.inputNames, outputs: session.outputNames, found: outputs });
  await session.release();
}
console.log(JSON.stringify(told));
