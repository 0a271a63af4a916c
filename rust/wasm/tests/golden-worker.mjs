// The golden hash in a module worker: answers a message that says whether with SIMD.

import { hash } from "./golden-page.mjs";

self.onmessage = async ({ data }) => {
  self.postMessage(await hash(data));
};
