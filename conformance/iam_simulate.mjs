// Asks `@cloud-copilot/iam-simulate`, a foreign evaluator, about the witnesses of `mantlet iam decide`. It is found where
// the working directory has it installed. Arguments: a file of questions and a file of answers, both JSON lines.
import fs from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(process.cwd() + "/");
const { runSimulation } = await import(pathToFileURL(require.resolve("@cloud-copilot/iam-simulate")));
const read = (path) => fs.readFileSync(path, "utf8").trim().split("\n").map((line) => JSON.parse(line));
const [questions, answers] = process.argv.slice(2).map(read);
const account = "123456789012";
let asked = 0;
const differing = [];
for (const [index, { id, possible, witness }] of answers.entries()) {
  if (possible !== true) continue;
  asked += 1;
  const { identity_policies, permissions_boundary, service_control_policies = [] } = questions[index];
  const values = Object.entries(witness.context).map(([key, own]) => [key, own.length === 1 ? own[0] : own]);
  const simulation = {
    request: {
      principal: `arn:aws:iam::${account}:role/asking`,
      action: witness.action,
      resource: { resource: witness.resource, accountId: account },
      contextVariables: Object.fromEntries(values),
    },
    identityPolicies: identity_policies.map((policy, at) => ({ name: `policy-${at}`, policy })),
    permissionBoundaryPolicies: permissions_boundary && [{ name: "boundary", policy: permissions_boundary }],
    serviceControlPolicies: service_control_policies.map((policy, at) => ({
      orgIdentifier: `level-${at}`,
      policies: [{ name: `control-${at}`, policy }],
    })),
    resourceControlPolicies: [],
  };
  const { overallResult } = await runSimulation(simulation, {});
  if (overallResult !== "Allowed") differing.push({ id, overallResult });
}
console.log(JSON.stringify({ asked, differing }));
