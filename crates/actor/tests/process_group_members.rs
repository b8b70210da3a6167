//! What process groups promise: members, monitors, and that the dead have left.

mod common;

use common::{Log, Pen, in_system, log, soon};
use vaxel_actor::prelude::*;
use vaxel_actor::process_group::{GroupChange, GroupEvent, ProcessGroups};

type Rooms = ProcessGroups<String, PlayerRef>;

struct Player;

#[actor(crate = vaxel_actor)]
impl Player {
    fn init(room: Option<(Rooms, &'static str)>, cx: &mut Context<Self>) -> Self {
        if let Some((rooms, room)) = room {
            rooms.join(room.to_owned(), cx.me());
        }
        Player
    }

    #[call]
    fn pid(&mut self, cx: &mut Context<Self>) -> Pid {
        cx.pid()
    }

    #[cast]
    fn crash(&mut self) {
        panic!("asked to crash");
    }
}

/// Group, change and how many.
type Line = (String, GroupChange, usize);

struct Ear {
    pen: Pen<Line>,
}

#[actor(crate = vaxel_actor)]
impl Ear {
    fn init(pen: Pen<Line>) -> Self {
        Ear { pen }
    }

    #[info]
    fn changed(&mut self, event: GroupEvent<String, PlayerRef>) {
        assert_eq!(event.missed, 0);
        let _ = self
            .pen
            .send((event.group, event.change, event.members.len()));
    }
}

fn ear() -> (EarRef, Log<Line>) {
    let (pen, log) = log();
    (Ear::spawn(pen), log)
}

fn player() -> PlayerRef {
    Player::spawn(None)
}

fn join(room: &str) -> Line {
    (room.to_owned(), GroupChange::Join, 1)
}

fn leave(room: &str, members: usize) -> Line {
    (room.to_owned(), GroupChange::Leave, members)
}

#[test]
fn a_member_is_there_as_often_as_it_joined() {
    in_system(|_| async {
        let rooms = Rooms::new();
        let (ada, grace) = (player(), player());
        for player in [&ada, &grace, &ada, &ada] {
            rooms.join("lobby".into(), player.clone());
        }
        rooms.join("attic".into(), grace.clone());
        let members = rooms.members("lobby");
        assert_eq!(members.iter().filter(|player| **player == ada).count(), 3);
        assert_eq!((members.len(), rooms.local_members("lobby").len()), (4, 4));
        let mut groups = rooms.which_groups();
        groups.sort_unstable();
        assert_eq!(groups, ["attic", "lobby"]);
        for left in (0..3).rev() {
            assert!(rooms.leave("lobby", &ada));
            let members = rooms.members("lobby");
            assert_eq!(
                members.iter().filter(|player| **player == ada).count(),
                left
            );
        }
        assert!(!rooms.leave("lobby", &ada), "it is not a member any more");
        assert!(rooms.leave("attic", &grace));
        assert!(!rooms.leave("attic", &grace));
        assert_eq!(rooms.which_groups(), ["lobby"]);
        assert_eq!(rooms.members("attic").len(), 0);
        assert_eq!(rooms.members("lobby")[0], grace);
    });
}

#[test]
fn monitors_see_every_change_after_the_members_they_were_given() {
    in_system(|_| async {
        let rooms = Rooms::new();
        let (ada, grace) = (player(), player());
        rooms.join("lobby".into(), ada.clone());
        let (of_lobby, lobby_log) = ear();
        let (of_all, all_log) = ear();
        let (monitor, members) = rooms.monitor("lobby".into(), &of_lobby.recipient());
        assert_eq!(members.len(), 1);
        let (_, all) = rooms.monitor_scope(&of_all.recipient());
        let all: Vec<_> = all
            .iter()
            .map(|(room, list)| (room.as_str(), list.len()))
            .collect();
        assert_eq!(all, [("lobby", 1)]);
        rooms.join("lobby".into(), grace.clone());
        rooms.join("attic".into(), grace.clone());
        rooms.join("lobby".into(), grace.clone());
        rooms.leave("lobby", &ada);
        grace.kill();
        let seen: Vec<_> = (0..4).map(|_| lobby_log.next("a change")).collect();
        let [one, two] = [join("lobby"), join("lobby")];
        assert_eq!(seen, [one, two, leave("lobby", 1), leave("lobby", 2)]);
        let seen: Vec<_> = (0..4).map(|_| all_log.next("a change")).collect();
        let joins = [
            join("lobby"),
            join("attic"),
            join("lobby"),
            leave("lobby", 1),
        ];
        assert_eq!(seen, joins);
        let mut last = [all_log.next("a change"), all_log.next("a change")];
        last.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(last, [leave("attic", 1), leave("lobby", 2)]);
        assert!(rooms.which_groups().is_empty());
        assert!(rooms.demonitor(monitor) && !rooms.demonitor(monitor));
        rooms.join("lobby".into(), ada.clone());
        assert_eq!(all_log.next("a change"), join("lobby"));
        assert!(lobby_log.rest().is_empty());
    });
}

#[test]
fn a_restarted_child_is_a_member_once() {
    in_system(|_| async {
        let rooms = Rooms::new();
        let (of_all, log) = ear();
        rooms.monitor_scope(&of_all.recipient());
        let tree = Supervisor::one_for_one().max_restarts(100);
        let tree = soon("the start", tree.start()).await.expect("it starts");
        let spec = Player::child(Some((rooms.clone(), "lobby")));
        let child = soon("the child", tree.start_child(spec)).await;
        let child = PlayerRef::from(child.expect("it starts"));
        assert_eq!(log.next("a change"), join("lobby"));
        for _ in 0..50 {
            child.crash().expect("its mailbox has room");
            soon("its pid", child.pid()).await.expect("it answers");
            let changes = [log.next("a change"), log.next("a change")];
            assert_eq!(changes, [leave("lobby", 1), join("lobby")]);
            assert_eq!(rooms.members("lobby").len(), 1);
        }
    });
}

#[test]
fn a_monitor_that_has_ended_is_forgotten() {
    in_system(|_| async {
        let rooms = Rooms::new();
        let (of_lobby, _log) = ear();
        let (monitor, _) = rooms.monitor("lobby".into(), &of_lobby.recipient());
        // Asked for later than the watch of the groups, so told later.
        let exit = of_lobby.exit();
        of_lobby.kill();
        assert_eq!(soon("its end", exit).await, ExitReason::Killed);
        assert!(!rooms.demonitor(monitor), "its actor has ended");
    });
}

#[test]
fn a_crowd_keeps_its_members_through_a_storm_of_deaths() {
    in_system(|_| async {
        let rooms = Rooms::new();
        let (of_lobby, log) = ear();
        let players: Vec<PlayerRef> = (0..400).map(|_| player()).collect();
        for (at, player) in players.iter().enumerate() {
            rooms.join("lobby".into(), player.clone());
            if at % 3 == 0 {
                rooms.join("lobby".into(), player.clone());
            }
        }
        rooms.monitor("lobby".into(), &of_lobby.recipient());
        let held = rooms.members("lobby");
        for player in players.iter().step_by(2) {
            player.kill();
        }
        for _ in 0..200 {
            assert_eq!(log.next("a leave").1, GroupChange::Leave);
        }
        let left = rooms.members("lobby");
        let expected = players.iter().enumerate().filter(|(at, _)| at % 2 == 1);
        let expected: usize = expected
            .map(|(at, _)| if at % 3 == 0 { 2 } else { 1 })
            .sum();
        assert_eq!(left.len(), expected);
        for (at, player) in players.iter().enumerate().filter(|(at, _)| at % 2 == 1) {
            let times = left.iter().filter(|member| *member == player).count();
            assert_eq!(times, if at % 3 == 0 { 2 } else { 1 });
            assert!(rooms.leave("lobby", player));
        }
        assert_eq!(held.len(), 400 + 134, "a snapshot does not change");
    });
}
