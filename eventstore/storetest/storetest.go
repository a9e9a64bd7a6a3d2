// Package storetest holds the conformance suite of event stores.
//
// A driver is tested with a few lines:
//
//	func TestStore(t *testing.T) {
//		storetest.Test(t, func(t *testing.T) *storetest.Harness { … })
//	}
//
// Questions are asked over a data set of which the rules are documented
// ([Events]), so that a reader can derive every number; the questions and their
// answers are in testdata. The answers were not made by an engine: the suite's
// own test holds them against [Model], a store in plain Go that asks
// query/oracle, and `go test ./eventstore/storetest -update` writes them anew.
// Random batches and questions are held against the same model.
package storetest

import (
	"testing"

	"github.com/weirhq/weir/eventstore"
)

// Harness is a store under test. It is empty at first.
type Harness struct {
	Store eventstore.Store
	// Reopen closes Store and opens another over the same data. Nil: the store
	// does not outlive itself.
	Reopen func(t *testing.T) eventstore.Store
	// Programs is how many random programs of writes and questions are run
	// against the model; 0: 10, and not above -rapid.checks.
	Programs int
}

// Test runs the suite. newHarness makes a store of its own for each test; what
// it needs to close it registers with t.Cleanup.
func Test(t *testing.T, newHarness func(t *testing.T) *Harness) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *Harness)
	}{
		{"Questions", testQuestions},
		{"JourneyScripts", testJourneyScripts},
		{"JourneysLikeTheModel", testJourneysLikeTheModel},
		{"EmptyWorkspace", testEmpty},
		{"WritingAgain", testWritingAgain},
		{"PositionsOfPartitions", testPartitions},
		{"Replaced", testReplaced},
		{"Moves", testMoves},
		{"MovesInTurn", testMovesInTurn},
		{"MovesHold", testMovesHold},
		{"SessionMoves", testSessionMoves},
		{"People", testPeople},
		{"Visits", testVisits},
		{"VisitsReplacedAndGone", testVisitsReplacedAndGone},
		{"VisitsOf", testVisitsOf},
		{"VisitsFollowTheirIdentity", testVisitsFollow},
		{"VisitsLikeTheModel", testVisitsLikeTheModel},
		{"WorkspacesApart", testWorkspacesApart},
		{"ManyProperties", testManyProperties},
		{"StrangeNames", testStrangeNames},
		{"Log", testLog},
		{"LogPages", testLogPages},
		{"Scan", testScan},
		{"ScanFilters", testScanFilters},
		{"ScanOfManyProperties", testScanOfManyProperties},
		{"ScanOfManyRows", testScanOfManyRows},
		{"Catalogue", testCatalogue},
		{"Values", testValues},
		{"Reopen", testReopen},
		{"Drop", testDrop},
		{"AnswersAreOfOneMoment", testOneMoment},
		{"Cancel", testCancel},
		{"Closed", testClosed},
		{"LikeTheModel", testLikeTheModel},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, newHarness(t)) })
	}
}

// TestTrends runs what of the suite is about questions of trends, for drivers that have
// several ways to answer them.
func TestTrends(t *testing.T, newHarness func(t *testing.T) *Harness) {
	t.Run("Questions", func(t *testing.T) { testQuestions(t, newHarness(t)) })
	t.Run("LikeTheModel", func(t *testing.T) { testLikeTheModel(t, newHarness(t)) })
}
