// Search in pages that were opened from disk, where browsers allow no Worker: a frame stands for it.
if (location.protocol === "file:") {
  window.IFrameWorker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.append(frame);
      const inside = frame.contentWindow;
      inside.postMessage = (data) =>
        this.dispatchEvent(new MessageEvent("message", { data }));
      inside.importScripts = async (...urls) => {
        for (const each of urls) await load(frame, each);
      };
      this.inside = inside;
      this.ready = load(frame, url);
    }

    async postMessage(data) {
      await this.ready;
      this.inside.dispatchEvent(new MessageEvent("message", { data }));
    }

    terminate() {
      this.inside.frameElement.remove();
    }
  };

  window.Worker = window.IFrameWorker;
}

function load(frame, url) {
  return new Promise((resolve, reject) => {
    const script = frame.contentDocument.createElement("script");
    script.onload = resolve;
    script.onerror = reject;
    script.src = new URL(url, location.href);
    frame.contentDocument.body.append(script);
  });
}
