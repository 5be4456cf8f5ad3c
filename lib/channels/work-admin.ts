/** What operators may ask of work channels; names without prefix. */
export interface WorkAdmin {
  /** Items of each channel that are not at their end: waiting, delayed and in work. */
  depths(): Promise<{ channel: string; depth: number }[]>;
}
