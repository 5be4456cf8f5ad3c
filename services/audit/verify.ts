import type { AuditLog } from "./audit-log.ts";

/** A chain's end as somebody kept it elsewhere. */
export interface KeptHead {
  tenantId: string;
  seq: number;
  hash: string;
}

export interface Verdict {
  text: string;
  wrong: boolean;
}

/** `TENANT=SEQ:HASH`. @throws Error */
export function parseHead(text: string): KeptHead {
  const [, tenantId = "", seq, hash = ""] = /^([a-z0-9-]+)=(\d+):([A-Za-z0-9_-]{43})$/.exec(text) ?? [];
  if (seq === undefined) throw new Error(`--head must be TENANT=SEQ:HASH, not ${text}`);
  return { tenantId, seq: Number(seq), hash };
}

/** A line for each tenant's chain, and for each kept head that its chain does not have. */
export async function verifyAll(log: AuditLog, kept: readonly KeptHead[]): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  for (const tenantId of new Set([...(await log.tenants()), ...kept.map((head) => head.tenantId)])) {
    const { seq, hash, broken } = await log.verify(tenantId);
    verdicts.push({
      text: `${tenantId}: ${broken ?? `${seq} events`}, good up to ${tenantId}=${seq}:${hash}`,
      wrong: broken !== undefined,
    });
    for (const head of kept.filter((one) => one.tenantId === tenantId))
      if ((await log.hashAt(tenantId, head.seq)) !== head.hash)
        verdicts.push({ text: `${tenantId}: event ${head.seq} with hash ${head.hash} is not there`, wrong: true });
  }
  return verdicts;
}
