// The golden hashes in a module worker. The message says whether to use SIMD.

import { hashes } from "./golden-page.mjs";

self.onmessage = async ({ data }) => {
  self.postMessage(await hashes(data));
};
