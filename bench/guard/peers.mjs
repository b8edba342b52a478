// Peers from npm: `node peers.mjs vard|llm_guardrail`, JSON lines in, scores out.
// `npm install @andersmyrmel/vard llm_guardrail` in this directory or above it comes first.
import { createInterface } from "node:readline";

const name = process.argv[2];
let score;
if (name === "vard") {
  const { default: vard } = await import("@andersmyrmel/vard");
  const strict = vard.strict().maxLength(1_000_000);
  score = (text) => {
    const result = strict.safeParse(text);
    return result.safe ? 0 : Math.max(...result.threats.map((threat) => threat.severity));
  };
} else {
  const guard = await import("llm_guardrail");
  score = async (text) => {
    const results = [await guard.checkInjection(text), await guard.checkJailbreak(text)];
    return Math.max(...results.map((result) => (result.detected ? 1 : 0) + result.confidence * (result.detected ? 1 : -1)));
  };
}
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify({ score: await score(JSON.parse(line).text) }));
}
