// The entry point for Node, where a model may be a file.

import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { files } from "./source.js";

files.read = (url, signal) => readFile(url, { signal });
// A single letter before the colon is a Windows drive.
files.address = (source) => {
  const isAddress = source instanceof URL || /^[a-z][a-z\d+.-]+:/i.test(source);
  return isAddress ? new URL(source) : pathToFileURL(source);
};

export * from "./index.js";
