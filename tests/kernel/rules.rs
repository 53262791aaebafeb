//! The seam through which wrong rules enter: each mutant breaks one rule of the driver or of the kernel behind it.

/// One wrong rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// An interrupted meeting commits K and not E.
    KnowledgeBeforeEntries,
    /// A delete takes no dot.
    DeleteWithoutDot,
    /// A restored memory goes on under its id.
    RestoreKeepsId,
    /// A cloned memory goes on under its id.
    CloneKeepsId,
    /// Of several versions the newest survives a join.
    LastWriterWins,
    /// What is ignored is taken for deleted.
    IgnoreDrops,
    /// The join takes one side for knowing nothing.
    JoinForgetsKnowledge,
    /// A change supersedes all that E holds now.
    ChangeSupersedesWinner,
    /// A file without a witness supersedes what E holds.
    StrangerSupersedes,
    /// Editing a copy supersedes all versions of its path.
    ViewSupersedesAll,
    /// Touching metadata supersedes all versions.
    TouchSupersedesAll,
    /// A recut leaves the counters in K.
    RecutKeepsKnowledge,
    /// Witnesses stand for writes of a story that was forgotten.
    RecutKeepsWitnesses,
    /// The deletes of a story that is forgotten keep no dot.
    RecutTakesNoDot,
    /// A memory that opens skips counters, and has seen them.
    SkippedCountersAreSeen,
    /// The events of a scan are applied one by one, and judged against what the last one left.
    EventsOneByOne,
    /// Refused deletes are left out of the join, and K takes the dots of the adopted versions alone.
    PartialJoin,
    /// A witness is written before its file is in place.
    WitnessBeforeInstall,
    /// An install that no witness followed is a user's write.
    InstallIsAWrite,
    /// A wanted file that is not there yet is a delete.
    WantedIsDeleted,
    /// Files are taken away before what replaces them is in place.
    DeletesFirst,
    /// What stands elsewhere is superseded all the same.
    StandingIsIgnored,
    /// A touch that yielded to a version stays when that one is deleted, though no disk shows its bytes.
    OutlivedTouchesStay,
}

impl Mutant {
    /// All of them.
    pub const ALL: &[Mutant] = &[
        Mutant::KnowledgeBeforeEntries,
        Mutant::DeleteWithoutDot,
        Mutant::RestoreKeepsId,
        Mutant::CloneKeepsId,
        Mutant::LastWriterWins,
        Mutant::IgnoreDrops,
        Mutant::JoinForgetsKnowledge,
        Mutant::ChangeSupersedesWinner,
        Mutant::StrangerSupersedes,
        Mutant::ViewSupersedesAll,
        Mutant::TouchSupersedesAll,
        Mutant::RecutKeepsKnowledge,
        Mutant::RecutKeepsWitnesses,
        Mutant::SkippedCountersAreSeen,
        Mutant::RecutTakesNoDot,
        Mutant::EventsOneByOne,
        Mutant::PartialJoin,
        Mutant::WitnessBeforeInstall,
        Mutant::InstallIsAWrite,
        Mutant::WantedIsDeleted,
        Mutant::StandingIsIgnored,
        Mutant::OutlivedTouchesStay,
        Mutant::DeletesFirst,
    ];
}

/// The rules of a run: the right ones, or one of them wrong.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules(pub Option<Mutant>);

impl Rules {
    /// Whether this rule is broken.
    pub fn broken(self, mutant: Mutant) -> bool {
        self.0 == Some(mutant)
    }
}
