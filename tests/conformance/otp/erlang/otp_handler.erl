%% A handler of an event manager. Notes under its own name what reaches it.
-module(otp_handler).
-behaviour(gen_event).
-export([init/1, handle_event/2, handle_call/2, handle_info/2, terminate/2]).

init([World, Name, "fail"]) -> init_failed(World, Name);
init([World, Name, "crash"]) -> note(World, Name, "init"), error({crash, "init"});
init([World, Name, _]) ->
    note(World, Name, "init"),
    {ok, {World, Name}};
init({[World, Name, _], From}) ->
    note(World, Name, ["init from ", from(From)]),
    {ok, {World, Name}}.

init_failed(World, Name) ->
    note(World, Name, "init"),
    {error, refused}.

from(error) -> "nobody";
from(Text) -> Text.

%% `crash NAME`, `remove NAME` and `swap NAME NEW` are for the handler of that name only.
handle_event({event, Text}, State = {World, Name}) ->
    note(World, Name, ["event ", Text]),
    case string:lexemes(Text, " ") of
        ["crash", Name] -> error({crash, "event"});
        ["exit", Name] -> exit(left);
        ["remove", Name] -> remove_handler;
        ["swap", Name, New] ->
            {swap_handler, "itself", State, {otp_handler, list_to_atom(New)}, [World, New, ""]};
        _ -> {ok, State}
    end.

handle_call({ask, "crash"}, _) -> error({crash, "call"});
handle_call({ask, "remove"}, _) -> {remove_handler, "removed"};
handle_call({ask, Text}, State = {World, Name}) ->
    note(World, Name, ["call ", Text]),
    {ok, "answer " ++ Text, State}.

handle_info({msg, Text}, State = {World, Name}) ->
    note(World, Name, ["info ", Text]),
    {ok, State};
handle_info(_, State) -> {ok, State}.

terminate(Why, {World, Name}) ->
    note(World, Name, ["terminate ", why(Why)]),
    Name.

why(stop) -> "stop";
why({stop, Reason}) -> "owner:" ++ otp_world:reason(Reason);
why(remove_handler) -> "remove";
why({error, {'EXIT', Reason}}) -> "error:" ++ otp_world:reason(Reason);
why({error, Reason}) -> "error:" ++ otp_world:reason(Reason);
why(Text) when is_list(Text) -> Text.

note(World, Name, Text) ->
    put(world, World),
    otp_world:note(Name, Text).
