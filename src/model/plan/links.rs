//! Hard links: which files stay in place, and which become one more name of another. Owns the partition of paths into
//! files.
//!
//! The target's paths that share an inode form a group; the source's paths that shall share one form a class. One class
//! at most keeps a group's inode: everything else leaves it and gets a file of its own, because what is written through
//! a shared inode shows at every name. A class has one anchor, the file that its other members become names of.

use std::collections::HashMap;

use super::spot::{Anchor, Fate, Spot, Table, number};
use crate::model::path::PathRef;

/// How an entry that is not a directory comes to be at a spot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// What stands there stays; its metadata may have to change.
    Stays,
    /// As one more name of a file.
    Link(Anchor),
    /// As a file of its own.
    Own,
}

/// Who keeps an inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Class(u32),
    /// A spot whose entry has one name.
    Spot(u32),
    /// Paths that the plan does not touch.
    Other,
}

/// Paths of the target that share an inode.
struct Group {
    owner: Option<Owner>,
}

/// Paths of the source that shall share an inode.
#[derive(Default)]
struct Class {
    anchor: Option<Anchor>,
    /// The group in which the anchor stays in place.
    home: Option<u32>,
    in_place: bool,
}

/// The groups and classes of the spots.
#[derive(Default)]
pub(super) struct Links {
    groups: Vec<Group>,
    classes: Vec<Class>,
    /// The group of what stands at a spot.
    group_of: HashMap<u32, u32>,
    /// The class of what is wanted at a spot.
    class_of: HashMap<u32, u32>,
}

impl Links {
    /// Finds groups and classes, their owners and anchors.
    pub fn of(table: &Table<'_>) -> Links {
        let mut links = Links::default();
        let groups = links.find_groups(table);
        let classes = links.find_classes(table);
        links.find_owners(table, &groups, &classes);
        links.find_anchors(table, &groups, &classes);
        links
    }

    /// How the wanted entry comes to be at a spot.
    pub fn place(&self, table: &Table<'_>, index: usize) -> Place {
        let in_place = self.stays(table, index);
        let Some(class) = self.class(index) else {
            return if in_place { Place::Stays } else { Place::Own };
        };
        let is_anchor = class.anchor == Some(Anchor::Spot(number(index)));
        let at_home = class.home.is_some() && self.group_of.get(&number(index)) == class.home.as_ref();
        match class.anchor {
            Some(anchor) if !(is_anchor || in_place && at_home) => Place::Link(anchor),
            Some(_) | None if in_place => Place::Stays,
            Some(_) | None => Place::Own,
        }
    }

    /// Whether what stands at a spot may move to another one, which then keeps its inode: nobody else does.
    pub fn may_move(&self, index: usize) -> bool {
        self.group(index).is_none_or(|group| self.groups[group as usize].owner.is_none())
    }

    /// Notes that what stands at a spot moves to `to`.
    pub fn moved(&mut self, index: usize, to: usize) {
        let owner = self.owner(to);
        if let Some(group) = self.group(index) {
            self.groups[group as usize].owner = Some(owner);
        }
    }

    fn group(&self, index: usize) -> Option<u32> {
        // The usual tree has no links: then nothing is looked up.
        if self.group_of.is_empty() { None } else { self.group_of.get(&number(index)).copied() }
    }

    fn class(&self, index: usize) -> Option<&Class> {
        if self.class_of.is_empty() {
            return None;
        }
        self.class_of.get(&number(index)).map(|&class| &self.classes[class as usize])
    }

    fn owner(&self, index: usize) -> Owner {
        let index = number(index);
        self.class_of.get(&index).map_or(Owner::Spot(index), |&class| Owner::Class(class))
    }

    /// Whether what stands at a spot has the wanted bytes and an inode that it may keep.
    fn stays(&self, table: &Table<'_>, index: usize) -> bool {
        let owned = match self.group(index) {
            Some(group) => self.groups[group as usize].owner == Some(self.owner(index)),
            None => true,
        };
        owned && table.same_body(index)
    }

    fn find_groups(&mut self, table: &Table<'_>) -> HashMap<Box<[u8]>, u32> {
        let mut ids = HashMap::new();
        for index in 0..table.spots.len() {
            let Some(name) = table.row(index).and_then(|row| row.extra()).and_then(|extra| extra.links) else {
                continue;
            };
            let next = number(ids.len());
            self.group_of.insert(number(index), *ids.entry(name).or_insert(next));
        }
        self.groups.extend(ids.iter().map(|_| Group { owner: None }));
        ids
    }

    fn find_classes<'t>(&mut self, table: &'t Table<'_>) -> HashMap<&'t [u8], u32> {
        let mut ids = HashMap::new();
        if !table.lane.links {
            return ids;
        }
        for (index, spot) in table.spots.iter().enumerate() {
            let Some(name) = wanted_links(spot) else { continue };
            let next = number(ids.len());
            self.class_of.insert(number(index), *ids.entry(name).or_insert(next));
        }
        self.classes.extend(ids.iter().map(|_| Class::default()));
        ids
    }

    fn find_owners(&mut self, table: &Table<'_>, groups: &HashMap<Box<[u8]>, u32>, classes: &HashMap<&[u8], u32>) {
        for index in 0..table.spots.len() {
            let Some(group) = self.group(index) else { continue };
            let owner = self.owner(index);
            let entry = &mut self.groups[group as usize].owner;
            // Where links are not compared nobody keeps a shared inode: who else has it is not known here.
            if table.spots[index].fate == Fate::Blocked || !table.lane.links {
                *entry = Some(Owner::Other);
            } else if entry.is_none() && table.same_body(index) {
                *entry = Some(owner);
            }
        }
        for (name, &group) in groups {
            if unlisted(table, name).is_some() {
                let owner = classes.get(&**name).map_or(Owner::Other, |&class| Owner::Class(class));
                self.groups[group as usize].owner = Some(owner);
            }
        }
    }

    fn find_anchors(&mut self, table: &Table<'_>, groups: &HashMap<Box<[u8]>, u32>, classes: &HashMap<&[u8], u32>) {
        for (name, &class) in classes {
            // Equal at both ends, so every listed member joins it, as it already has the wanted bytes and metadata.
            if let Some(row) = unlisted(table, name) {
                let home = groups.get(*name).copied();
                self.classes[class as usize] = Class { anchor: Some(Anchor::Row(row)), home, in_place: true };
            }
        }
        for index in 0..table.spots.len() {
            if self.class_of.is_empty() {
                return;
            }
            let Some(&class) = self.class_of.get(&number(index)) else { continue };
            let (in_place, home) = (self.stays(table, index), self.group(index));
            let class = &mut self.classes[class as usize];
            if class.anchor.is_none() || (in_place && !class.in_place) {
                *class = Class { anchor: Some(Anchor::Spot(number(index))), home: home.filter(|_| in_place), in_place };
            }
        }
    }
}

/// The class's name, where a spot wants one of several names of a file.
fn wanted_links(spot: &Spot) -> Option<&[u8]> {
    let want = spot.want.as_ref().filter(|want| !want.is_directory())?;
    if spot.fate == Fate::Blocked { None } else { want.links() }
}

/// The row of the least path of a group, where that path does not differ.
fn unlisted(table: &Table<'_>, name: &[u8]) -> Option<u32> {
    let row = number(table.target.find(PathRef::new(name).ok()?).ok()?);
    let links = table.target.row(row as usize).extra()?.links?;
    (*links == *name && table.spot_of(row).is_none()).then_some(row)
}
