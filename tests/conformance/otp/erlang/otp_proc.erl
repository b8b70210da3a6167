%% A plain process: does what it is told and notes what it gets.
-module(otp_proc).
-export([start/2, run/3]).

start(World, Name) ->
    spawn(?MODULE, run, [World, Name, []]).

run(World, Name, Words) ->
    otp_world:enter(World, Name),
    otp_ops:run(Words),
    loop().

loop() ->
    receive
        {'$gen_call', From, {run, Words}} ->
            gen_server:reply(From, otp_server:answer(Words)),
            loop();
        {'$gen_cast', {run, Words}} ->
            otp_ops:run(Words),
            loop();
        Message ->
            otp_ops:message(Message),
            loop()
    end.
