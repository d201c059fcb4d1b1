//! Pods and their annotations: what their objects say, what their published files say, and whose
//! file a file is.
//!
//! Invariant: a published file carries the UID of the Pod that it is about; once that Pod is gone,
//! or another has its name, the file goes or says the other's.

use std::collections::BTreeSet;

use drivers::Driver;
use model::{Event, Object, ObjectKind, Pod, Uid};
use plan::{Annotation, Publication};

use super::{Keeper, Outlet, PodName};
use crate::publish::{Author, Patch, PodRef, Published};

impl<D: Driver> Keeper<D> {
    /// Tells what was published before we started. To be called before the first objects.
    pub fn found_published(&mut self, published: Vec<Published>) {
        for entry in published {
            let PodRef { namespace, name, uid } = entry.pod.clone();
            self.doubtful.insert((namespace.clone(), name.clone()));
            self.files.insert((namespace, name), uid.clone());
            self.published.insert(uid, entry);
        }
    }

    /// Somebody altered the published annotation of a Pod, or of unknown Pods: it is published
    /// again.
    pub fn tampered(&mut self, pod: Option<(&str, &str)>) {
        let uids: Vec<Uid> = match pod {
            Some((namespace, name)) => {
                self.core.pod_uid(namespace, name).cloned().into_iter().collect()
            }
            None => self.core.pods().map(|owner| owner.uid.clone()).collect(),
        };
        for uid in uids {
            self.core.doubt_published(&uid);
        }
    }

    /// The Pods that may have something published: those the source tells of, and those that only
    /// the kernel remembers.
    pub fn pods(&self) -> BTreeSet<PodName> {
        self.core.pods().map(|owner| (owner.namespace().into(), owner.name().into())).collect()
    }

    /// Notes which Pods an event is about, before the core takes it in.
    pub(super) fn note_pods(&mut self, event: &mut Event) {
        match event {
            Event::Applied(Object::Pod(pod)) => self.note_pod(pod),
            Event::Applied(_) => {}
            Event::Listed { kinds, objects } => {
                if kinds.contains(&ObjectKind::Pod) {
                    self.doubtful.extend(self.files.keys().cloned());
                }
                for object in objects {
                    if let Object::Pod(pod) = object {
                        self.note_pod(pod);
                    }
                }
            }
            Event::Deleted { kind, namespace, name, uid } => {
                if *kind == ObjectKind::Pod {
                    self.doubtful.insert((namespace.clone(), name.clone()));
                }
                if let Some(uid) = uid {
                    self.seen.remove(uid);
                }
            }
        }
    }

    /// The annotation of a Pod is what its manifest says, unless that has not changed since we
    /// last looked and we have published since: then it is what we published, as it would be in
    /// a cluster, where both are one field.
    fn note_pod(&mut self, pod: &mut Pod) {
        let uid = pod.meta.uid.clone();
        self.doubtful.insert((pod.meta.namespace.clone(), pod.meta.name.clone()));
        let before = self.seen.get(&uid).map(|text| &**text);
        let unchanged = before == pod.npl_annotation.as_deref();
        if !unchanged {
            if pod.npl_annotation.is_none() && self.outlet == Outlet::Files {
                // A file that asks for its removal has nothing to ask for any more.
                self.core.doubt_published(&uid);
            }
            match &pod.npl_annotation {
                Some(text) => self.seen.insert(uid.clone(), text.clone()),
                None => self.seen.remove(&uid),
            };
            if let Some(journal) = &mut self.journal {
                journal.seen(&uid.text(), pod.npl_annotation.as_deref());
            }
        }
        let Some(published) = self.published.remove(&uid) else { return };
        if unchanged && let Some(text) = published.annotation {
            if published.author == Author::Us {
                // Killed before we published what we had promised by then, the file is older than
                // the journal: it is no claim that somebody made.
                self.core.remember_annotation(&uid, &text);
            }
            pod.npl_annotation = Some(text.into());
        } else if published.annotation.as_deref() != pod.npl_annotation.as_deref() {
            // The object may say by itself what is true; the file says something else.
            self.core.doubt_published(&uid);
        }
    }

    /// What the published files have to say now: those of Pods that are gone first, so that a new
    /// Pod of the same name has the last word.
    pub(super) fn publications(&mut self) -> Vec<(PodRef, Patch)> {
        let mut patches = Vec::new();
        // A hold keeps what was published of Pods that may still be there. Of a Pod that has ended
        // the API's publisher is to say nothing more, which takes nothing back.
        if self.core.hold().is_none() || self.outlet == Outlet::Api {
            for name in std::mem::take(&mut self.doubtful) {
                if self.core.awaits_sync()
                    && self.adopted.contains(&name)
                    && self.is_unconfirmed(&name)
                {
                    self.doubtful.insert(name);
                    continue;
                }
                let Some(uid) = self.files.get(&name) else { continue };
                if self.core.pod_uid(&name.0, &name.1) == Some(uid) {
                    continue;
                }
                let uid = uid.clone();
                self.files.remove(&name);
                let (namespace, name) = name;
                patches.push((PodRef { namespace, name, uid }, Patch::Nothing));
            }
        }
        let publications = self.core.take_publications();
        patches.extend(publications.into_iter().map(|publication| self.patch(publication)));
        patches
    }

    /// Whether the object may carry an annotation. What the API was told is on the object before the
    /// event that shows it.
    fn carries(&self, uid: &Uid) -> bool {
        self.outlet == Outlet::Api || self.seen.contains_key(uid)
    }

    fn patch(&mut self, publication: Publication) -> (PodRef, Patch) {
        let Publication { namespace, name, uid, annotation } = publication;
        let patch = match annotation {
            Annotation::Set(text) => Patch::Value(text),
            // The object itself still carries one: it is to be taken off.
            Annotation::Remove if self.carries(&uid) => Patch::Null,
            Annotation::Remove => Patch::Nothing,
        };
        let file = (namespace.clone(), name.clone());
        match patch {
            Patch::Nothing => self.files.remove(&file),
            Patch::Value(_) | Patch::Null => self.files.insert(file, uid.clone()),
        };
        (PodRef { namespace, name, uid }, patch)
    }
}
