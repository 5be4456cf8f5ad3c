import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isSecret, makeSecret, presentedSecret, storedSecret } from "../../../services/oauth/client-secret.ts";
import { readMasterKey } from "../../../services/oauth/keys/master-key.ts";
import { seal, unseal } from "../../../services/oauth/keys/seal.ts";

const key = randomBytes(32);

test("what is sealed opens by its key and for its context only, and unchanged only", () => {
  const sealed = seal(key, "a", "text");
  assert.equal(unseal(key, "a", sealed), "text");
  assert.throws(() => unseal(randomBytes(32), "a", sealed));
  assert.throws(() => unseal(key, "b", sealed));
  const bytes = Buffer.from(sealed, "base64url");
  bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1;
  assert.throws(() => unseal(key, "a", bytes.toString("base64url")));
});

for (const method of ["client_secret_basic", "client_secret_jwt"])
  test(`a secret of ${method} is not kept in clear, and is recognised`, () => {
    const secret = makeSecret();
    const stored = storedSecret("c", method, secret, key);
    assert.ok(!JSON.stringify(stored).includes(secret));
    const held = presentedSecret("c", stored, key);
    assert.equal(isSecret(held, secret), true);
    assert.equal(isSecret(held, makeSecret()), false);
    assert.equal(isSecret(held, undefined), false);
  });

test("what stands for a secret is not the secret, and is kept as it is", () => {
  const stored = storedSecret("c", "client_secret_basic", makeSecret(), key);
  const held = presentedSecret("c", stored, key);
  assert.equal(isSecret(held, held), false);
  assert.deepEqual(storedSecret("c", "client_secret_post", held, key), stored);
});

test("the key file is made once, for its owner only; what is no key is told with its name", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "ganglion-key-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "oauth.key");
  const first = readMasterKey({ file });
  assert.equal(first.made, true);
  assert.equal(first.key.length, 32);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(readMasterKey({ file }), { key: first.key, made: false });
  assert.equal(readMasterKey({ file, key: "k".repeat(43) }).key.length, 32);
  writeFileSync(file, "nonsense");
  assert.throws(() => readMasterKey({ file }), { message: `${file} is no key: 43 characters of base64url` });
});
