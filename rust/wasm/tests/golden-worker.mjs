// The golden hash in a module worker. The message says whether to use SIMD.

import { hash } from "./golden-page.mjs";

self.onmessage = async ({ data }) => {
  self.postMessage(await hash(data));
};
