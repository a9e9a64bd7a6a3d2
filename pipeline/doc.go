// Package pipeline turns records into truth: it reads frames from the queue in
// micro-batches and takes each batch through the twelve steps of an item's way.
//
//	 1 persist      the frames are in the archive, durable
//	 2 enrich       hooks may enrich or reject (on_validation)
//	 3 validate     raw bytes become items
//	 4 dedupe       what was applied before is recognised
//	 5 lock         the users are locked and their state is loaded
//	 6 reconcile    edges join identities to persons
//	 7 profile      traits, sessions, the event rows
//	 8 attribute    conversions are credited
//	 9 segment      segments of the touched people are evaluated
//	10 trigger      workflows start and go on
//	11 forward      destinations get what they subscribed to
//	12 commit       state and positions in one transaction, then event rows,
//	                then the index of seen items, then the acknowledgement
//
// The order within step 12 is what makes the whole exactly-once: a crash after
// any part of it repeats the batch, and everything before the crash recognises
// the repetition. State is folded by rules that are idempotent; event rows are
// skipped by their position; the seen index says "this very delivery" rather
// than "before".
//
// Steps 2, 9, 10 and 11 come from outside, in Options.Steps.
package pipeline
