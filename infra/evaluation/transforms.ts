/** Transforms of a program in an evaluation: the Pulumi engine applies them, and Pulumi's mocks refuse them. */
import callbacks from "@pulumi/pulumi/proto/callback_pb.js";
import "@pulumi/pulumi/runtime/state.js";
import type { ICallbackServer } from "@pulumi/pulumi/runtime/callbacks.js";

/** Members of Pulumi's state that its types omit. */
interface TransformState {
  supportsTransforms: boolean;
  supportsInvokeTransforms: boolean;
  callbacks: ICallbackServer;
}

const IGNORE: ICallbackServer = {
  registerTransform: () => Promise.resolve(new callbacks.Callback()),
  registerStackTransform: () => undefined,
  registerStackInvokeTransform: () => undefined,
  registerStackInvokeTransformAsync: () => Promise.resolve(new callbacks.Callback()),
  registerResourceHook: () => Promise.resolve(),
  registerErrorHook: () => Promise.resolve(),
  shutdown: () => undefined,
  awaitStackRegistrations: () => Promise.resolve(),
};

/** From now until the next `setMocks`, a program can register transforms and hooks, which have no effect. */
export function ignoreTransforms(): void {
  // Every copy of Pulumi in this process uses this state.
  const store = globalThis.globalStore as unknown as TransformState;
  store.supportsTransforms = true;
  store.supportsInvokeTransforms = true;
  store.callbacks = IGNORE;
}
