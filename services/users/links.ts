import { createHash, randomBytes } from "node:crypto";
import type { Model } from "mongoose";
import { LinkExpiredError } from "./errors.ts";
import type { LinkDocument } from "./link.model.ts";

const TOKEN_BYTES = 32;
const digestOf = (token: string): string => createHash("sha256").update(token).digest("base64url");

/** Links that are good once. */
export class Links {
  readonly model: Model<LinkDocument>;

  constructor(model: Model<LinkDocument>) {
    this.model = model;
  }

  /** A former link of the same kind, to the same person, for the same tenant ends. */
  async issue(
    link: Omit<LinkDocument, "_id" | "createdAt" | "expiresAt">,
    seconds: number,
  ): Promise<{ token: string; link: LinkDocument }> {
    const { kind, email, tenantId } = link;
    await this.model.deleteMany({ kind, email, ...(tenantId === undefined ? {} : { tenantId }) });
    const token = randomBytes(TOKEN_BYTES).toString("base64url");
    const now = Date.now();
    const dates = { createdAt: new Date(now), expiresAt: new Date(now + seconds * 1000) };
    const document: LinkDocument = { ...link, _id: digestOf(token), ...dates };
    await this.model.insertMany([document]);
    return { token, link: document };
  }

  /** What a token is good for; it stays so. @throws LinkExpiredError */
  async find(kind: LinkDocument["kind"], token: string): Promise<LinkDocument> {
    const found = await this.model.findOne({ _id: digestOf(token), kind, expiresAt: { $gt: new Date() } }).lean();
    if (!found) throw new LinkExpiredError();
    return found;
  }

  /** Ends the link; of several who try at once one gets it. @throws LinkExpiredError */
  async take({ _id }: LinkDocument): Promise<void> {
    const taken = await this.model.findOneAndDelete({ _id, expiresAt: { $gt: new Date() } }).lean();
    if (!taken) throw new LinkExpiredError();
  }
}
