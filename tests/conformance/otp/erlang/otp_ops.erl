%% What a process can be told to do, and how it notes what reaches it.
-module(otp_ops).
-export([run/1, message/1, attribute/3]).

-define(note(Text), otp_world:note(Text)).

%% Several operations in one go are separated by semicolons.
run(Words) ->
    lists:foreach(fun op/1, split(Words, [], [])).

split([], Op, Ops) -> lists:reverse([lists:reverse(Op) | Ops]);
split([";" | Rest], Op, Ops) -> split(Rest, [], [lists:reverse(Op) | Ops]);
split([Word | Rest], Op, Ops) -> split(Rest, [Word | Op], Ops).

op([]) -> ok;
op(["note" | Words]) -> ?note(join(Words));
op(["send", To | Words]) ->
    try otp_world:target(To) ! {msg, join(Words)}, ok
    catch error:badarg -> ?note(["send ", To, ": gone"])
    end;
op(["cast", To | Words]) -> gen_server:cast(otp_world:target(To), {run, Words});
op(["call", To | Words]) -> call(To, Words);
op(["keep", To]) -> put({kept, To}, otp_world:pid(To));
op(["flood", To, N]) ->
    [otp_world:target(To) ! {flood} || _ <- lists:seq(1, list_to_integer(N))],
    ?note(["flood ", To, ": all accepted"]);

%% Ending.
op(["exit", Reason]) -> exit(otp_world:parse_reason(Reason));
op(["crash" | Words]) -> error({crash, join(Words)});
op(["signal", To, Reason]) -> exit(otp_world:pid(To), otp_world:parse_reason(Reason));
op(["trap", Switch]) -> process_flag(trap_exit, Switch =:= "on");

%% Links and monitors.
op(["link", To]) ->
    try link(otp_world:pid(To))
    catch error:noproc -> exit(noproc)
    end;
op(["unlink", To]) -> unlink(otp_world:pid(To));
op(["monitor", To]) ->
    put({monitor, To}, monitor(process, otp_world:target(To)));
op(["demonitor", To]) -> demonitor(get({monitor, To}), [flush]);
op(["spawn_link", Name | Words]) -> spawned(Name, spawn_link(otp_proc, run, begins(Name, Words)));
op(["spawn_monitor", Name | Words]) ->
    {Pid, _} = spawn_monitor(otp_proc, run, begins(Name, Words)),
    spawned(Name, Pid);
op(["spawn", Name | Words]) -> spawned(Name, spawn(otp_proc, run, begins(Name, Words)));

%% Names and groups.
op(["register", Name]) ->
    try register(otp_world:global_name(Name), self()) of
        true -> ?note(["register ", Name, ": ok"])
    catch error:badarg -> ?note(["register ", Name, ": taken"])
    end;
op(["unregister", Name]) ->
    try unregister(otp_world:global_name(Name)) of
        true -> ?note(["unregister ", Name, ": ok"])
    catch error:badarg -> ?note(["unregister ", Name, ": unknown"])
    end;
op(["whereis", Name]) ->
    Found = case whereis(otp_world:global_name(Name)) of
        undefined -> "nobody";
        Pid -> otp_world:name(Pid)
    end,
    ?note(["whereis ", Name, ": ", Found]);
op(["join", Group]) -> ok = pg:join(group(Group), self());
op(["leave", Group]) ->
    ?note(["leave ", Group, ": ", otp_world:text(pg:leave(group(Group), self()))]);
op(["members", Group]) ->
    Names = lists:sort([otp_world:name(Pid) || Pid <- pg:get_members(group(Group))]),
    ?note(["members ", Group, ": ", join(Names)]);
op(["publish", Group | Words]) ->
    [Pid ! {msg, join(Words)} || Pid <- pg:get_members(group(Group))];

%% Time.
op(["after", Ms, Text]) ->
    put({timer, Text}, erlang:send_after(list_to_integer(Ms), self(), {msg, Text}));
op(["cancel", Text]) ->
    Left = erlang:cancel_timer(get({timer, Text})),
    ?note(["cancel ", Text, ": ", atom_to_list(is_integer(Left))]);
op(["block", Ms]) -> timer:sleep(list_to_integer(Ms));

%% Selective receive.
op(["receive", Text]) ->
    receive {msg, Text} -> ?note(["received ", Text]) end;
op(["receive", Text, "within", Ms]) ->
    receive {msg, Text} -> ?note(["received ", Text])
    after list_to_integer(Ms) -> ?note(["received nothing"])
    end;

%% Request collections: `request SERVER LABEL OP`, and later `response`. Both in one go: between
%% two steps the process takes whatever arrives.
op(["request", To, Label | Words]) ->
    Requests = case get(requests) of undefined -> gen_server:reqids_new(); Known -> Known end,
    put(requests, gen_server:send_request(otp_world:target(To), {run, Words}, Label, Requests));
op(["response"]) -> op(["response", "within", "5000"]);
op(["response", "within", Ms]) ->
    case gen_server:wait_response(get(requests), list_to_integer(Ms), true) of
        {{reply, Reply}, Label, Rest} ->
            put(requests, Rest),
            ?note(["response ", Label, ": ", Reply]);
        {{error, {Reason, _}}, Label, Rest} ->
            put(requests, Rest),
            ?note(["response ", Label, ": exit:", otp_world:gone(Reason)]);
        no_request -> ?note("response: no request");
        timeout -> ?note("response: timeout")
    end;

%% Event managers.
op(["spawn_manager", Name]) ->
    {ok, Pid} = gen_event:start_link(),
    otp_world:enter(get(world), Name, Pid);
op(["notify", To | Words]) -> gen_event:notify(otp_world:target(To), {event, join(Words)});
op(["sync_notify", To | Words]) ->
    Event = {event, join(Words)},
    managed(["sync_notify ", To], fun() -> gen_event:sync_notify(otp_world:target(To), Event) end);
op([Op, To, Handler | Words]) when Op =:= "add_handler"; Op =:= "add_sup_handler" ->
    Add = list_to_atom(Op),
    managed([Op, " ", To, " ", Handler], fun() ->
        gen_event:Add(otp_world:target(To), handler(Handler), [get(world), Handler, Words])
    end);
op(["delete_handler", To, Handler]) ->
    managed(["delete_handler ", To, " ", Handler], fun() ->
        gen_event:delete_handler(otp_world:target(To), handler(Handler), "asked")
    end);
op(["swap_handler", To, Old, New | Words]) ->
    managed(["swap_handler ", To, " ", Old], fun() ->
        NewHandler = {handler(New), [get(world), New, Words]},
        gen_event:swap_handler(otp_world:target(To), {handler(Old), "swap"}, NewHandler)
    end);
op(["ask", To, Handler | Words]) ->
    managed(["ask ", To, " ", Handler], fun() ->
        gen_event:call(otp_world:target(To), handler(Handler), {ask, join(Words)})
    end);
op(["handlers", To]) ->
    managed(["handlers ", To], fun() ->
        Handlers = gen_event:which_handlers(otp_world:target(To)),
        join(lists:sort([atom_to_list(Name) || {_, Name} <- Handlers]))
    end).

call(To, Words) ->
    {Limit, Request} = case Words of
        ["within", Ms | Rest] -> {list_to_integer(Ms), Rest};
        _ -> {5000, Words}
    end,
    Answer =
        try gen_server:call(otp_world:target(To), {run, Request}, Limit)
        catch
            exit:{Reason, {gen_server, call, _}} -> "exit:" ++ otp_world:gone(Reason)
        end,
    ?note(["call ", To, ": ", Answer]).

begins(Name, Words) -> [get(world), Name, Words].

spawned(Name, Pid) ->
    #{table := Table} = get(world),
    ets:insert(Table, {{name, Pid}, Name}),
    otp_world:await_pid(Name).

group(Group) -> {otp_world:scenario(), Group}.

handler(Handler) -> {otp_handler, list_to_atom(Handler)}.

%% What an event manager answers.
managed(Question, Ask) ->
    Answer = try Ask() of
        Answered -> answer(Answered)
    catch
        exit:{Reason, {gen_event, _, _}} -> "exit:" ++ otp_world:gone(Reason);
        exit:Reason -> "exit:" ++ otp_world:gone(Reason)
    end,
    ?note([Question, ": ", Answer]).

answer(ok) -> "ok";
answer({error, {error, Reason}}) -> answer({error, Reason});
answer({error, module_not_found}) -> "error:not_found";
answer({error, bad_module}) -> "error:not_found";
answer({error, {'EXIT', Reason}}) -> "error:" ++ otp_world:reason(Reason);
answer({'EXIT', Reason}) -> "error:" ++ otp_world:reason(Reason);
answer({error, Reason}) -> "error:" ++ otp_world:reason(Reason);
answer(Other) -> otp_world:text(Other).

%% Notes a message that is no request.
message({do, From, Tag, Words}) ->
    run(Words),
    From ! {done, Tag};
message({go, Words}) -> run(Words);
message({msg, Text}) -> ?note(["got ", Text]);
message({'DOWN', _, process, Who, Reason}) ->
    ?note(["down ", otp_world:name(Who), " ", otp_world:reason(Reason)]);
message({'EXIT', Who, Reason}) ->
    ?note(["exit ", otp_world:name(Who), " ", otp_world:reason(Reason)]);
message({gen_event_EXIT, {otp_handler, Handler}, Reason}) ->
    ?note(["handler_exit ", atom_to_list(Handler), " ", left(Reason)]);
message({flood}) -> ok;
message(_) -> ?note("stray").

left({'EXIT', Reason}) -> otp_world:reason(Reason);
left({swapped, {otp_handler, New}, _}) -> "swapped:" ++ atom_to_list(New);
left(Reason) -> otp_world:reason(Reason).

%% The value of `key=value` among the words, or a default.
attribute(_, [], Default) -> Default;
attribute(Key, [Word | Rest], Default) ->
    case string:split(Word, "=") of
        [Key, Value] -> Value;
        [Key] -> "";
        _ -> attribute(Key, Rest, Default)
    end.

join(Words) -> lists:flatten(lists:join(" ", Words)).
