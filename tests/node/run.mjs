// node run.mjs MODEL.onnx BATCH SAMPLES < float32 samples: one JSON object with the probabilities.
// Nothing but onnxruntime-web is at work, on its WebAssembly backend, as in a browser.
import fs from "node:fs";
import * as ort from "onnxruntime-web";

ort.env.wasm.numThreads = 1;
const [file, batch, samples] = process.argv.slice(2);
const bytes = fs.readFileSync(0);
const waveform = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
const session = await ort.InferenceSession.create(new Uint8Array(fs.readFileSync(file)), {
  executionProviders: ["wasm"],
});
const input = new ort.Tensor("float32", waveform, [Number(batch), Number(samples)]);
const { probabilities } = await session.run({ waveform: input });
console.log(JSON.stringify({
  inputs: session.inputNames,
  outputs: session.outputNames,
  shape: probabilities.dims,
  values: Array.from(probabilities.data),
}));
